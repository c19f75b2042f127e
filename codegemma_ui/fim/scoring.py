"""Compare a middle with the original text. Pure."""

from __future__ import annotations

import ast
import warnings

from rapidfuzz.distance import Levenshtein

from codegemma_ui.fim import BYTE_ORDER_MARK


def exact_match(middle: str, expected: str) -> bool:
    """Return whether both are equal, trailing whitespace aside."""
    return middle.rstrip() == expected.rstrip()


def edit_similarity(middle: str, expected: str) -> float:
    """Return 1 minus the Levenshtein distance over the longer length, trailing whitespace aside; 0 to 1.

    Two empty texts are equal: 1.
    """
    return float(Levenshtein.normalized_similarity(middle.rstrip(), expected.rstrip()))


def parses(program: str) -> bool:
    """Return whether a program is valid Python; nothing is run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in strings are irrelevant
        try:
            ast.parse(program.removeprefix(BYTE_ORDER_MARK))  # as Python reads a file
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
