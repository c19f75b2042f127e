"""The notice of a completion that ended at a limit, with a button to continue it. Pure."""

from __future__ import annotations

from codegemma_ui.ui import render
from codegemma_ui.ui.strings import Language, text

LEAST_MORE = 64
"""Minimum number of tokens that continuing makes room for."""


def notice(run: render.Run, language: Language) -> str:
    """Return what ended it, and a button to continue (`static/go_on.js` sends the request); else empty."""
    if not run.unfinished or run.progress is None or run.recording is None:
        return ""
    last, count = run.progress.completion, len(run.progress.tokens)
    max_length = run.recording.request.max_length
    by_time = last.stop_reason == "time_limit"
    values = {"tokens": text("token" if count == 1 else "tokens", language, count=count)}
    if by_time:
        values["limit"] = text("in_seconds", language, count=f"{run.time_limit_s:g}")
    else:
        values["limit"] = f"{max_length:,}"
    key = "unfinished_time_limit" if by_time else "unfinished_max_length"
    message = render.escape(text(key, language, **values))
    more = _length_to_go_on(run, max_length)
    if more is None:
        return f'<div class="notice unfinished" role="status"><p>{message}</p></div>'
    label = render.escape(text("go_on", language))
    button = f'<button type="button" class="act" data-go-on="{more}">{label}</button>'
    return f'<div class="notice unfinished" role="status"><p>{message}</p><p>{button}</p></div>'


def _length_to_go_on(run: render.Run, max_length: int) -> int | None:
    """Return `max_length` of the request that continues; None if nothing more fits."""
    assert run.progress is not None
    assert run.prompt is not None
    used = len(run.prompt.tokens) + len(run.progress.tokens)
    if used < max_length:
        return max_length
    if run.prompt.trimmed:  # with more room the prompt would change
        return None
    room = max(LEAST_MORE, max_length - len(run.prompt.tokens))
    longer = min(max_length + room, run.context_length)
    return longer if longer > used else None
