"""A script reproduces any text exactly: in Python, in a shell, and through JSON in a here-document."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codegemma_ui.completions.snippets.quoting import (
    here_document,
    json_object,
    python_ids,
    python_text,
    shell_word,
)
from codegemma_ui.errors import BadInput

HOSTILE = (
    "",
    "'",
    "\"\"\"'''\\",
    "\\N{BULLET} \\x41 \\",
    "$HOME `id` $(id) ${x} !! ~ * ? [a]",
    "한글 😀 👩‍💻 ﷺ\u2028\u2029",
    "a\nJSON\nb",
    "JSON",
    "\r\n\t\v\f\x1b[31m\x7f\x85",
    "\u202e\u2066#'; rm -rf / #",
    "-n\n-e\n",
    "%s%n{0}{{}}",
    "\n\n\n",
)

texts = st.text(st.characters(codec="utf-8"), max_size=60)
shell_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


def run(script: str, *command: str) -> str:
    """Return a program's output for a script on its stdin, as bytes."""
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=True)
    return done.stdout.decode()


@settings(max_examples=400)
@given(texts)
def test_a_python_literal_is_the_text(text: str) -> None:
    written = python_text(text)
    assert ast.literal_eval(written) == text
    assert all(character.isprintable() or character == "\n" for character in written)


@pytest.mark.parametrize("text", [*HOSTILE, "\0", "x\n" * 30_000])
def test_python_itself_reads_it(text: str) -> None:
    script = f"import sys\ntext = {python_text(text)}\nsys.stdout.buffer.write(text.encode())\n"
    assert run(script, sys.executable, "-") == text


def test_a_program_stands_line_by_line() -> None:
    assert python_text('a = "\\n"\n\tb') == '(\n    \'a = "\\\\n"\\n\'\n    "\\tb"\n)'
    assert python_text("한 줄") == '"한 줄"'


@settings(max_examples=150, deadline=None)
@given(st.lists(shell_texts, min_size=1, max_size=4))
@example(list(HOSTILE))
def test_a_shell_word_is_the_text(values: list[str]) -> None:
    words = " ".join(map(shell_word, values))
    assert run(f"printf '%s\\0' {words}", "sh") == "".join(f"{one}\0" for one in values)


def test_what_no_shell_can_hold_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="NUL"):
        shell_word("a\0b")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(texts, texts | st.lists(st.integers(0, 300_000), max_size=60)))
@example({text: text for text in (*HOSTILE, "\0")})
def test_json_in_a_here_document_is_the_object(values: dict) -> None:
    written = json_object(values)
    assert all(character.isprintable() or character == "\n" for character in written)
    assert json.loads(run(f"cat {here_document(written)}\n", "sh")) == values


def test_a_here_document_does_not_end_before_its_end() -> None:
    with pytest.raises(BadInput, match="JSON"):
        here_document("a\nJSON\nb")


def test_ids_are_wrapped() -> None:
    written = python_ids(range(100))
    assert ast.literal_eval(written) == list(range(100))
    assert max(map(len, written.splitlines())) <= 100
