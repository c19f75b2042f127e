"""Whether anybody takes what a call sends.

Gradio runs a call whose caller never asks for its events, and keeps every update for them, of up to 2,000
callers (6.31; measured: 10 MB for one completion of long texts). Here such a call is ended by what piles up,
and what nobody came for is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator

import gradio as gr

UNHEARD = 200
"""Updates that may wait for their listener: a quarter of a minute while tokens come. A network that fails
for a moment does not lose a completion."""

FORGOTTEN_S = 15.0
"""Seconds after its end for which a call that nobody listened to is kept."""


@contextlib.contextmanager
def listening(blocks: gr.Blocks, session: str | None) -> Generator[Callable[[], bool]]:
    """While a call runs: a question to ask at each update, whether to go on.

    Args:
        blocks: whose queue.
        session: Gradio's name of the caller.
    """

    def waiting() -> int:
        messages = blocks._queue.pending_messages_per_session.get(session or "")
        return messages.qsize() if messages is not None else 0

    try:
        yield lambda: waiting() <= UNHEARD
    finally:
        left = waiting()
        if session and left:
            asyncio.get_running_loop().call_later(FORGOTTEN_S, _forget, blocks, session, left)


def _forget(blocks: gr.Blocks, session: str, left: int) -> None:
    kept = blocks._queue.pending_messages_per_session
    messages = kept.get(session)
    if messages is not None and messages.qsize() >= left:  # nobody has taken any since
        kept.pop(session, None)
