"""Summary figures of a report over many tasks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegemma_ui.commands.evaluate.results import TaskResult


def summary(results: Sequence[TaskResult], *, executed: bool) -> dict[str, Any]:
    """Return the figures of a report; rates and similarity from 0 to 1.

    Args:
        results: one per task, at least one.
        executed: whether the tests were run: then `pass_at_1` is the share of the `executed` tasks that
            passed, null if none has a test.

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
