"""A model that repeats itself without end is detected, and code with normal repetition is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegemma_ui.workers.repetition import (
    CHARACTERS,
    EVERY,
    WINDOW,
    WORD_CHARACTERS,
    Repetition,
    repeats,
)

ROOT = Path(__file__).parents[2]


def stops_at(text: str, *, samples: bool = False, piece: int = 4) -> int | None:
    """Return the number of characters at which repetition is detected, or None."""
    repetition = Repetition(samples=samples)
    for end in range(piece, len(text) + piece, piece):
        if repetition.add(text[end - piece : end]):
            return end
    return None


# Output of the bundled model at a max_length of 1,000, up to its end: its beginning, and the repeated part.
LINES = {
    "an import": ("from . import (\n    _get_function,\n)\n", "from . import _utils\n"),
    "a comment": ("# 1. The following\n", "# 2. The following values are:\n"),
    "an attribute": ("        self.stack = []\n\n", "        self.stack = []\n"),
    "an entry": ('    "properties": {\n', '        "type": "string",\n'),
    "a test": ("    assert add(1, 2) == 3\n", "    assert add(2, 2) == 3\n"),
    "a sentence": ("The text.\n", "    - `text`: The text to be sent to the text\n"),
    "words in a line": ("    value: A", " string or a"),
    "keywords": ("    def __init__(self):\n", "        self.kwargs = kwargs\n"),
    "two lines": ("    >>> mean(1.0)\n", "    >>> mean(1.0, 1.0)\n    array([1.0, 1.0])\n"),
    "calls in calls": ("x = [", ".replace(x"),
}
WORDS = {
    "a word": ("", "possible "),
    "a name": ("from telegram import ", "TelegramObject, "),
    "a name that grows": ("for_", "all_"),
    "a list": ("HEADERS = [\n", "    'b',\n"),
    "a name in a name": ("", "_future"),
    "deeper and deeper": ("", '"Activation": {\n' + 32 * " "),
}


@pytest.mark.parametrize("name", LINES)
def test_what_the_bundled_model_repeated_is_found(name: str) -> None:
    head, again = LINES[name]
    least = max(CHARACTERS, 4 * len(again))
    text = head + again * 200
    at = stops_at(text)
    assert at is not None
    assert least - EVERY <= at - len(head) <= least + 2 * EVERY
    twice = stops_at(text, samples=True)
    assert twice is not None
    assert twice >= len(head) + 2 * least - EVERY


@pytest.mark.parametrize("name", WORDS)
def test_one_word_takes_longer(name: str) -> None:
    head, again = WORDS[name]
    at = stops_at(head + again * 300)
    assert at is not None
    least = max(WORD_CHARACTERS, 32 * len(again))
    assert least - EVERY <= at - len(head) <= least + 2 * EVERY
    assert stops_at(head + again * (least // len(again) - 1)) is None


TABLES = {
    "zeros": "0, 0, 0, 0, 0, 0, 0, 0,\n" * 400,
    "zeros in one line": "0, " * 3000,
    "floats": "    [0.0, 0.0, 0.0, 1.0],\n" * 300,
    "bytes": "0x00, " * 2000,
    "escapes": "\\x00\\u0000" * 1000,
    "nothing": "    None, None,\n" * 300,
    "a mask": "[True, False, False, True],\n" * 200,
    "missing values": "nan, inf, " * 800,
    "brackets": ")]}\n" * 800,
    "blank lines": "\n" * 3000,
    "white space": " " * 3000,
    "a ruler": "# " + "-" * 3000,
    "digits": "3" * 3000,
    "a picture": ("#" + "." * 30 + "#\n") * 100,
    "a few calls": "    next(rows)\n" * 10,
    "a few asserts": "    assert step() == 1\n" * 10,
    "a chess board": '["r", "n", "b", "q"],\n' * 8,
    "a row of names": '"a", "a", "a", "a", "a", "a", "a", "a",\n' * 3,
    "rows that count": "".join(f"    Row({number}, 0, 0, name='row'),\n" for number in range(400)),
    "cases": "".join(f"    case {number}:\n        return None\n" for number in range(400)),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_and_what_else_a_person_wants_are_written_to_their_end(name: str) -> None:
    assert stops_at(TABLES[name]) is None


def test_no_file_of_this_repository_is_taken_for_a_repetition() -> None:
    files = [path for path in ROOT.rglob("*.py") if not {".venv", "build"} & {*path.parts}]
    assert len(files) > 300
    assert [path for path in files if stops_at(path.read_text(encoding="utf-8"), piece=16)] == []


@given(st.text(max_size=WINDOW // 4), st.integers(1, 12))
def test_less_than_is_needed_is_never_enough(again: str, times: int) -> None:
    text = again * times
    if repeats(text):
        assert len(text) >= CHARACTERS
        assert any(text.endswith(text[-period:] * 4) for period in range(1, len(text) // 4 + 1))


ANY_WORD = st.text(st.characters(categories=["Ll"]), min_size=3, max_size=20).filter(
    lambda word: word not in ("null", "true", "false", "nan", "inf")
)


@given(ANY_WORD, st.integers(1, 50))
def test_a_line_of_two_words_is_found_wherever_it_is_cut(word: str, cut: int) -> None:
    line = f"{word} = other({word})\n"
    text = line * (CHARACTERS // len(line) + 2)
    assert word == "other" or repeats(text[cut % len(line) :])
