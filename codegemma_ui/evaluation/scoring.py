"""What a middle is worth, and what many are worth together. Pure."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein

from codegemma_ui.evaluation.results import Result
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


def summary(results: Sequence[Result], *, executed: bool) -> dict[str, Any]:
    """The figures of a report; rates and similarity from 0 to 1.

    Args:
        results: of each task, at least one.
        executed: whether the tests were run: then `pass_at_1` is the share of the `executed` tasks that
            passed, null where none has a test.

    Returns:
        `tasks`, `exact_match`, `edit_similarity`, `stopped`, `parses`, `trimmed` (tasks whose prompt was
        cut to fit the context) and `seconds` (spent generating), and with `executed` those two.
    """
    count = len(results)
    figures: dict[str, Any] = {
        "tasks": count,
        "exact_match": sum(result.exact_match for result in results) / count,
        "edit_similarity": sum(result.edit_similarity for result in results) / count,
        "stopped": sum(result.stopped for result in results) / count,
        "parses": sum(result.parses for result in results) / count,
        "trimmed": sum(result.trimmed_tokens > 0 for result in results),
        "seconds": round(sum(result.seconds for result in results), 3),
    }
    if executed:
        verdicts = [result.passed for result in results if result.passed is not None]
        figures["pass_at_1"] = sum(verdicts) / len(verdicts) if verdicts else None
        figures["executed"] = len(verdicts)
    return figures
