"""Layout race: the same request in every prompt order, one lane each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from codegemma_ui import fim
from codegemma_ui.completions.likelihood import Figures, Truth, figures, truth
from codegemma_ui.ipc.messages import CancelledEvent, DoneEvent, TokenEvent
from codegemma_ui.ui.render import Run
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import now_doing, shell, told_error

NAME = "race"

WORDS = (
    *("race_start", "race_idle", "race_trained", "race_untrained", "race_order", "race_middle"),
    *("race_ttft", "race_seconds", "race_prompt", "race_written", "race_logprob", "nats"),
    *(
        "race_per_token",
        "race_truth",
        "race_truth_waits",
        "race_ends",
        "race_exact",
        "race_yes",
        "race_no",
    ),
    *("race_show", "race_seed", "race_mixed", "race_cached", "race_sums"),
    *("race_codegemma", "race_report", "token", "tokens", "not_told"),
    *(f"layout_{layout}" for layout in fim.LAYOUTS),
    *("role_context", "role_path", "role_prefix", "role_suffix", "role_middle"),
    *(
        "stop_token",
        "stop_unnamed",
        "stop_max_length",
        "stop_time_limit",
        "stop_repetition",
        "stop_stop_string",
        "stop_end_of_line",
        "stop_server",
        "stop_you",
    ),
    *("stop_error", "stop_cut"),
)

_ORDERED = ("context", "path", "prefix", "suffix")


@dataclass
class Lane:
    """The part of a race for one prompt order.

    Attributes:
        layout: the order.
        run: the completion.
        scored: the scoring of the true middle and an end after it, once its turn has come.
        trained: whether the model was trained on this order; None until the model is known.
    """

    layout: fim.Layout
    run: Run
    scored: Run | None = None
    trained: bool | None = None


def again(language: Language) -> str:
    """Return the view of the race that the page holds, if any, in another language."""
    return shell(NAME, language, {"lanes": None})


def view(
    lanes: Sequence[Lane], true_middle: str, language: Language, *, running: bool = False
) -> str:
    """Return the view of a race.

    Args:
        true_middle: empty if unknown.
        running: whether it is in progress; the recordings of the lanes are sent at the end.
    """
    return shell(NAME, language, facts(lanes, true_middle, language, running=running))


def facts(
    lanes: Sequence[Lane], true_middle: str, language: Language, *, running: bool
) -> dict[str, Any]:
    """Return what `static/race.js` draws.

    Returns:
        `lanes`, see `_lane`; the `seed` of all; whether it is `greedy`, so that the seed has no effect;
        whether the true middle is `known`; and whether the lanes are `mixed`, from more than one model.
    """
    request = lanes[0].run.request
    models = {
        (last.preset, last.backend, last.dtype)
        for last in (lane.run.progress.last for lane in lanes if lane.run.progress)
        if isinstance(last, DoneEvent)
    }
    return {
        "lanes": [_lane(lane, true_middle, language, whole=not running) for lane in lanes],
        "running": running,
        "seed": request["seed"],
        "greedy": not request.get("temperature") or request.get("top_k") == 1,
        "known": bool(true_middle),
        "mixed": len(models) > 1,
    }


def _lane(lane: Lane, true_middle: str, language: Language, *, whole: bool) -> dict[str, Any]:
    """Return one lane. `state` is one of "idle", "waiting", "writing", "done", "stopped", "failed"; figures
    are None until known; `doing` is what a waiting or writing lane does now, in words; `order` the roles of
    the prompt with their token counts; `recording` is set only if `whole`."""
    run, progress = lane.run, lane.run.progress
    completion = progress.completion if progress else None
    recorded = run.recording if whole else None
    written = _written(run)
    return {
        "layout": lane.layout,
        "trained": lane.trained,
        "state": _state(lane),
        "doing": now_doing(run, language),
        "order": _order(run),
        "prompt_tokens": len(run.prompt.tokens) if run.prompt else None,
        "middle": run.middle,
        "stop_reason": completion.stop_reason if completion else None,
        "stop_token": completion.stop_token if completion else None,
        "ttft_s": completion.ttft_s if completion else None,
        "written": len(written),
        "figures": _as_dict(figures(written)),
        "truth": _truth(lane.scored, language),
        "exact": bool(true_middle) and run.ended and run.middle == true_middle,
        "error": told_error(run.error, language),
        "recording": recorded.to_dict() if recorded else None,
    }


def _written(run: Run) -> Sequence[TokenEvent]:
    """Return the tokens of the text alone: the true middle is counted without its end as well."""
    if run.progress is None:
        return ()
    tokens, completion = run.progress.tokens, run.progress.completion
    ended = completion.stop_reason == "stop_token" and bool(completion.stop_token)
    return tokens[:-1] if ended else tokens


def _state(lane: Lane) -> str:
    run, progress = lane.run, lane.run.progress
    if progress is None:
        return "idle"
    if run.error:
        return "failed"
    if run.stopped or isinstance(progress.last, CancelledEvent):
        return "stopped"
    if run.ended:
        return "done"
    return "writing" if progress.tokens else "waiting"


def _order(run: Run) -> list[list[Any]]:
    """Return `[role, tokens]` of the prompt's parts in their order; other files count as one part."""
    if run.prompt is None:
        return []
    counts: Counter[str] = Counter()
    for token in run.prompt.tokens:  # a Counter keeps the insertion order of its keys
        counts[token.role] += token.role in _ORDERED
    return [[role, count] for role, count in counts.items() if role in _ORDERED]


def _as_dict(found: Figures | None) -> dict[str, Any] | None:
    return asdict(found) if found else None


def _truth(scored: Run | None, language: Language) -> dict[str, Any] | None:
    """Return the true middle's likelihood; `{"error": …}` if it could not be scored, `{"doing": …}` while it
    is being scored."""
    if scored is None:
        return None
    if not scored.ended:
        return {"doing": now_doing(scored, language)}
    if scored.error:
        return {"error": told_error(scored.error, language)}
    last = scored.progress.last if scored.progress else None
    if scored.progress is None or not isinstance(last, DoneEvent) or last.stop_reason != "scored":
        return None
    found: Truth | None = truth(scored.progress.tokens)
    return {**asdict(found.figures), "ends": found.ends} if found else None
