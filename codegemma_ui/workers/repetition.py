"""Detect that a model repeats itself, from its output. Pure.

A greedy model never leaves a cycle and generates up to `max_length`. But code is repetitive too: tables of
numbers, closing brackets, list entries, a call that occurs ten times. So only words count, and only if the
same text, byte for byte, occurs often and is long:

- two words or more, such as a line of code: 4 times, and 300 characters;
- one word, such as a name in a list: 32 times, and 600 characters;
- numbers, signs, white space, escapes (`\\x00`) and constants such as `None`: never.

A model that samples may still leave a cycle, so both thresholds are doubled for it.
"""

from __future__ import annotations

import re

WINDOW = 8192
"""Characters examined at the end of the text; periods longer than a quarter of this are not found."""

EVERY = 64
"""Characters between two checks."""

TIMES, CHARACTERS = 4, 300
WORD_TIMES, WORD_CHARACTERS = 32, 600

_KEY = 16  # characters searched for first; then the whole period is compared
_WORD = re.compile(r"(?<![\\A-Za-z0-9])[^\W\d_][^\W_]*")
_CONSTANTS = frozenset(("None", "True", "False", "null", "true", "false", "nan", "inf"))


class Repetition:
    """Repetition check over growing output.

    Args:
        samples: whether tokens are sampled, so that a cycle may end by itself.
    """

    def __init__(self, *, samples: bool) -> None:
        self._patience = 2 if samples else 1
        self._text, self._new = "", 0

    def add(self, text: str) -> bool:
        """Add text, and return whether generation should stop."""
        self._text = (self._text + text)[-WINDOW:]
        self._new += len(text)
        if self._new < EVERY:
            return False
        self._new = 0
        return repeats(self._text, self._patience)


def repeats(text: str, patience: int = 1) -> bool:
    """Return whether a text ends in a repetition, by the rule in the module docstring.

    Args:
        patience: factor on both thresholds.
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
            words = _words(tail[-period:])  # longer periods are multiples of this one
            again = patience * max(WORD_TIMES * period, WORD_CHARACTERS)
            return words > 1 or (words == 1 and _ends_in(tail, period, again))
    return False


def _ends_in(tail: str, period: int, length: int) -> bool:
    """Return whether the last `length` characters repeat one period."""
    return length <= len(tail) and tail[-length:-period] == tail[period - length :]


def _words(period: str) -> int:
    """Count the distinct words that begin in a period repeated on both sides."""
    found = _WORD.finditer(3 * period)
    words = {match.group() for match in found if len(period) <= match.start() < 2 * len(period)}
    return len(words - _CONSTANTS)
