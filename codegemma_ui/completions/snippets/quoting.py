"""Texts as they stand in a script: as Python literals, as shell words, as JSON in a here-document. Pure.

Whatever the text is, who runs the script gets it back character by character. What does not print (control
characters, marks that turn the direction of writing) is escaped, so that a script runs as it reads.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from codegemma_ui.errors import BadInput

WIDTH = 100
"""Characters of a line of token ids, or of a comment."""

_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def python_text(text: str) -> str:
    """A Python expression for a text: one literal, or one for each of its lines between parentheses.

    Args:
        text: any, but for lone surrogates.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    if len(lines) < 2:
        return _literal(text)
    return "(\n" + "".join(f"    {_literal(line)}\n" for line in lines) + ")"


def _literal(text: str) -> str:
    quote = "'" if '"' in text and "'" not in text else '"'
    escaped = "".join(map(_escaped, text))
    return quote + (escaped.replace('"', '\\"') if quote == '"' else escaped) + quote


def _escaped(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def comment(text: str) -> str:
    """A sentence of ours as comment lines, for Python and the shell alike."""
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def python_ids(token_ids: Iterable[int]) -> str:
    """A Python list of token ids, in lines of at most `WIDTH` characters."""
    return f"[\n{_wrapped(token_ids, '    ')}\n]"


def _wrapped(token_ids: Iterable[int], indent: str) -> str:
    listed = ", ".join(map(str, token_ids))
    return textwrap.fill(listed, WIDTH, initial_indent=indent, subsequent_indent=indent)


def shell_word(text: str) -> str:
    """A text as one word of a POSIX shell.

    Raises:
        BadInput: it holds what no word of a shell can.
    """
    if "\0" in text:
        raise BadInput(
            "A word of a shell may hold every character but NUL (U+0000). Received: a text with NUL",
            "Take the NUL out of the text.",
        )
    return shlex.quote(text)


def json_object(values: Mapping[str, Any]) -> str:
    """A JSON object, a line a key, for a here-document with a quoted end: nothing in it is expanded.

    Every line begins with a brace or a blank, so none is the document's end. Lists of token ids are in lines
    of at most `WIDTH` characters.
    """
    lines = ",\n".join(f"  {_json(key)}: {_json_value(value)}" for key, value in values.items())
    return f"{{\n{lines}\n}}"


def _json_value(value: Any) -> str:
    ids = isinstance(value, list | tuple) and value and all(type(one) is int for one in value)
    return f"[\n{_wrapped(value, '    ')}\n  ]" if ids else _json(value)


def _json(value: Any) -> str:
    encoded = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in encoded
    )


def here_document(text: str, end: str = "JSON") -> str:
    """What stands after a command to give it a text as input, up to and with the end of the document.

    Raises:
        BadInput: a line of the text is the end itself.
    """
    if end in text.split("\n"):
        raise BadInput(
            f"A here-document may hold every line but its end, {end}. Received: that line"
        )
    return f"<<'{end}'\n{text}\n{end}"
