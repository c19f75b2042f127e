"""Suffix gain: the tokens of a middle, scored with its suffix and without it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from codegemma_ui.completions.likelihood import Pair, differences, reading
from codegemma_ui.ipc.messages import CancelledEvent, DoneEvent
from codegemma_ui.ui.render import Run
from codegemma_ui.ui.strings import Language, text
from codegemma_ui.ui.views import now_doing, shell, told_error

NAME = "suffix"

WORDS = (
    *("suffix_start", "suffix_idle", "suffix_nothing", "suffix_none", "suffix_other_model"),
    *("suffix_how", "suffix_was_ltr"),
    *("suffix_likelier", "suffix_unlikelier", "suffix_even"),
    *("suffix_gained_most", "suffix_lost_most", "suffix_strip", "suffix_with", "suffix_without"),
    *("nats", "layout_psm", "layout_spm", "token_number"),
    *("stop_you", "stop_cut", "stop_time_limit"),
)

SCORING = {"with": "suffix_scoring_with", "without": "suffix_scoring_without"}
"""State -> key of its string, while something is being scored."""

Missing = Literal["nothing", "none", "other_model"]


def fresh(language: Language) -> str:
    """Return the view of a completion that has not been scored."""
    return shell(NAME, language, {"state": "idle"})


def again(language: Language) -> str:
    """Return the view that the page holds, in another language."""
    return shell(NAME, language, {"state": None})


def missing(why: Missing, language: Language) -> str:
    """Return why there is nothing to score: no completion, no suffix, or a completion of another model."""
    return shell(NAME, language, {"state": why})


def view(pair: Pair, scored: tuple[Run, Run], written: str, language: Language) -> str:
    """Return the view of a comparison.

    Args:
        scored: with the suffix, and without it.
        written: the layout in which the middle was written.
    """
    return shell(NAME, language, facts(pair, scored, written, language))


def facts(pair: Pair, scored: tuple[Run, Run], written: str, language: Language) -> dict[str, Any]:
    """Return what `static/suffix.js` draws.

    Returns:
        `state`: "with" or "without" while that is being scored, "done", "stopped", "late" (the time limit) or
        "failed"; while it is scored, `doing` in words; once it is done, `tokens` as
        `[id, piece, logprob with, logprob without]` and the `reading`.
    """
    state = _state(scored)
    drawn: dict[str, Any] = {
        "state": state,
        "doing": _doing(scored, state, language),
        "layout": pair.layout,
        "was_ltr": written == "ltr",
        "error": next((told_error(run.error, language) for run in scored if run.error), None),
    }
    if drawn["state"] == "done":
        one, other = (run.progress.tokens if run.progress else [] for run in scored)
        found = differences(one, other)
        drawn["tokens"] = [
            [each.id, each.piece, round(each.with_suffix, 4), round(each.without, 4)]
            for each in found
        ]
        drawn["reading"] = [asdict(clause) for clause in reading(found)]
    return drawn


def _doing(scored: tuple[Run, Run], state: str, language: Language) -> str:
    """Return which of the two is being scored and its progress; only the progress while it is queued."""
    if state not in SCORING:
        return ""
    run = scored[state == "without"]
    doing = now_doing(run, language)
    if run.prompt is None:
        return doing
    scoring = text(SCORING[state], language)
    tokens = run.progress.tokens if run.progress else []
    return scoring if tokens else f"{scoring} \N{MIDDLE DOT} {doing}"


def _state(scored: tuple[Run, Run]) -> str:
    for run, name in zip(scored, ("with", "without"), strict=True):
        last = run.progress.last if run.progress else None
        if run.error:
            return "failed"
        if run.stopped or isinstance(last, CancelledEvent):
            return "stopped"
        if not isinstance(last, DoneEvent):
            return name
        if last.stop_reason != "scored":
            return "late"
    return "done"
