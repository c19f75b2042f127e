"""A completion that ended at a limit before its model had finished, and how it goes on. Pure."""

from __future__ import annotations

from codegemma_ui.ui import render
from codegemma_ui.ui.strings import Language, text

LEAST_MORE = 64
"""Tokens that going on makes room for, at least."""


def notice(run: render.Run, language: Language) -> str:
    """What ended it, and a button that goes on; `static/go_on.js` sends the request. Else empty."""
    if not run.unfinished or run.progress is None or run.recording is None:
        return ""
    last, count = run.progress.completion, len(run.progress.tokens)
    max_length = run.recording.request.max_length
    by_time = last.stop_reason == "time_limit"
    told = {"tokens": text("token" if count == 1 else "tokens", language, count=count)}
    if by_time:
        told["limit"] = text("in_seconds", language, count=f"{run.time_limit_s:g}")
    else:
        told["limit"] = f"{max_length:,}"
    key = "unfinished_time_limit" if by_time else "unfinished_max_length"
    said = render.escape(text(key, language, **told))
    more = _length_to_go_on(run, max_length)
    if more is None:
        return f'<div class="notice unfinished" role="status"><p>{said}</p></div>'
    label = render.escape(text("go_on", language))
    button = f'<button type="button" class="act" data-go-on="{more}">{label}</button>'
    return f'<div class="notice unfinished" role="status"><p>{said}</p><p>{button}</p></div>'


def _length_to_go_on(run: render.Run, max_length: int) -> int | None:
    """`max_length` of the request that goes on; None where nothing more fits."""
    assert run.progress is not None
    assert run.prompt is not None
    used = len(run.prompt.tokens) + len(run.progress.tokens)
    if used < max_length:
        return max_length
    if run.prompt.trimmed:  # with more room the prompt would be another one
        return None
    room = max(LEAST_MORE, max_length - len(run.prompt.tokens))
    longer = min(max_length + room, run.context_length)
    return longer if longer > used else None
