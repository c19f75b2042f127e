"""Whether anybody takes what a call sends.

Gradio runs a call whose caller never asks for its events, and keeps every update for them, of up to 2,000
callers (6.31; measured: 10 MB for one completion of long texts). Here such a call is ended by what piles up,
and what nobody came for is dropped; so is the state of a page that Gradio makes for every call of the API.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Generator
from functools import partial

import gradio as gr

UNHEARD = 200
"""Updates that may wait for their listener: a quarter of a minute while tokens come. A network that fails
for a moment does not lose a completion."""

FORGOTTEN_S = 15.0
"""Seconds after its end for which what a call leaves behind is kept."""


@contextlib.contextmanager
def listening(
    blocks: gr.Blocks, session: str | None, page: bool = True
) -> Generator[Callable[[], bool]]:
    """While a call runs: a question to ask at each update, whether to go on.

    Args:
        blocks: whose queue.
        session: Gradio's name of the caller.
        page: the caller is a page, which has a state to keep.
    """

    def waiting() -> int:
        messages = blocks._queue.pending_messages_per_session.get(session or "")
        return messages.qsize() if messages is not None else 0

    try:
        yield lambda: waiting() <= UNHEARD
    finally:
        left = waiting()
        # In a context of its own: that of the call holds its request, with the whole body, for as long.
        call_later = asyncio.get_running_loop().call_later
        later = partial(call_later, FORGOTTEN_S, context=contextvars.Context())
        if session and left:
            later(_forget_messages, blocks, session, left)
        if session and not page:
            later(_forget_state, blocks, session)


def _forget_messages(blocks: gr.Blocks, session: str, left: int) -> None:
    kept = blocks._queue.pending_messages_per_session
    messages = kept.get(session)
    if messages is not None and messages.qsize() >= left:  # nobody has taken any since
        kept.pop(session, None)


def _forget_state(blocks: gr.Blocks, session: str) -> None:
    """One that calls again meanwhile gets a new one."""
    holder = blocks.state_holder
    with holder.lock:
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)
