"""Whether a model writes the same again and again, by what it has written. Pure.

A greedy model that is in a cycle never leaves it, and writes to `max_length`. Code repeats itself too: tables
of numbers, closing brackets, lines of a list, a call that stands there ten times. So only words count, and
only where the same text, byte for byte, has come often and covers much:

- two words or more, such as a line of code: 4 times, and 300 characters;
- one word, such as a name in a list: 32 times, and 600 characters;
- numbers, signs, white space, escapes (`\\x00`) and constants such as `None`: never.

A model that samples may still leave a cycle, so that it takes twice as much of both.
"""

from __future__ import annotations

import re

WINDOW = 8192
"""Characters of the text's end that are looked at; a longer period than a quarter of it is not found."""

EVERY = 64
"""Characters between two looks."""

TIMES, CHARACTERS = 4, 300
WORD_TIMES, WORD_CHARACTERS = 32, 600

_KEY = 16  # characters that are looked for again; the whole period is then compared
_WORD = re.compile(r"(?<![\\A-Za-z0-9])[^\W\d_][^\W_]*")
_CONSTANTS = frozenset(("None", "True", "False", "null", "true", "false", "nan", "inf"))


class Repetition:
    """What a model has written, looked at as it grows.

    Args:
        samples: whether each token is drawn, and a cycle may end.
    """

    def __init__(self, *, samples: bool) -> None:
        self._patience = 2 if samples else 1
        self._text, self._new = "", 0

    def add(self, text: str) -> bool:
        """Take what comes next; returns whether it is time to stop."""
        self._text = (self._text + text)[-WINDOW:]
        self._new += len(text)
        if self._new < EVERY:
            return False
        self._new = 0
        return repeats(self._text, self._patience)


def repeats(text: str, patience: int = 1) -> bool:
    """Whether a text ends in a repetition; see the rule at the head of this file.

    Args:
        patience: how many times as much of it is needed.
    """
    tail = text[-WINDOW:]
    end = len(tail) - _KEY
    if end <= 0:
        return False
    key, at = tail[end:], end
    while (at := tail.rfind(key, 0, at + _KEY - 1)) >= 0:
        period = end - at
        if TIMES * period > len(tail):
            break
        if _ends_in(tail, period, patience * max(TIMES * period, CHARACTERS)):
            words = _words(tail[-period:])  # a longer period is this one several times
            again = patience * max(WORD_TIMES * period, WORD_CHARACTERS)
            return words > 1 or (words == 1 and _ends_in(tail, period, again))
    return False


def _ends_in(tail: str, period: int, length: int) -> bool:
    """Whether the last `length` characters are those of one period again and again."""
    return length <= len(tail) and tail[-length:-period] == tail[period - length :]


def _words(period: str) -> int:
    """How many different words begin in a text that stands between others like it."""
    found = _WORD.finditer(3 * period)
    words = {match.group() for match in found if len(period) <= match.start() < 2 * len(period)}
    return len(words - _CONSTANTS)
