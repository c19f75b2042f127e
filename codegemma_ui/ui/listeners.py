"""Detection of calls whose updates are not fetched.

Gradio runs a call whose caller never fetches its events, and keeps every update, of up to 2,000 callers
(6.31; measured: 10 MB for one completion of long texts). Here such a call ends when too many updates pile up,
and unfetched updates are dropped; so is the page state that Gradio creates for every call of the API.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Generator
from functools import partial

import gradio as gr

UNHEARD = 200
"""Updates that may wait for their listener: a quarter of a minute while tokens arrive, so that a short
network failure does not lose a completion."""

FORGOTTEN_S = 15.0
"""Seconds for which the remains of an ended call are kept."""


@contextlib.contextmanager
def listening(
    blocks: gr.Blocks, session: str | None, page: bool = True
) -> Generator[Callable[[], bool]]:
    """Provide, while a call runs, a function that returns whether it has a listener; clean up afterwards.

    Args:
        blocks: of the call.
        session: Gradio's name of the caller.
        page: whether the caller is a page, whose state is kept.
    """

    def waiting() -> int:
        messages = blocks._queue.pending_messages_per_session.get(session or "")
        return messages.qsize() if messages is not None else 0

    try:
        yield lambda: waiting() <= UNHEARD
    finally:
        left = waiting()
        # In a new context: the call's own would keep its request, with the whole body, alive.
        call_later = asyncio.get_running_loop().call_later
        later = partial(call_later, FORGOTTEN_S, context=contextvars.Context())
        if session and left:
            later(_forget_messages, blocks, session, left)
        if session and not page:
            later(_forget_state, blocks, session)


def _forget_messages(blocks: gr.Blocks, session: str, left: int) -> None:
    kept = blocks._queue.pending_messages_per_session
    messages = kept.get(session)
    if messages is not None and messages.qsize() >= left:  # none was fetched since
        kept.pop(session, None)


def _forget_state(blocks: gr.Blocks, session: str) -> None:
    """Drop the state; a caller that calls again meanwhile gets a new one."""
    holder = blocks.state_holder
    with holder.lock:
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)
