"""What a middle is worth beside the one that stood there. Pure."""

from __future__ import annotations

import ast
import warnings

from rapidfuzz.distance import Levenshtein

from codegemma_ui.fim import BYTE_ORDER_MARK


def exact_match(middle: str, expected: str) -> bool:
    """Whether both are the same up to whitespace at their ends."""
    return middle.rstrip() == expected.rstrip()


def edit_similarity(middle: str, expected: str) -> float:
    """1 less the Levenshtein distance over the longer length, without whitespace at the ends; from 0 to 1.

    Two empty texts are the same: 1.
    """
    return float(Levenshtein.normalized_similarity(middle.rstrip(), expected.rstrip()))


def parses(program: str) -> bool:
    """Whether Python accepts a program's syntax; nothing is run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a string is none of ours
        try:
            ast.parse(program.removeprefix(BYTE_ORDER_MARK))  # as Python reads a file
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
