"""Free the texts of events that have ended.

Gradio's queue (6.31) keeps its latest event in local variables until another comes, with the request and its
parsed body: up to 30 MB for a long text.
"""

from __future__ import annotations

from typing import Any

from gradio.queueing import Event, Queue


def free_ended_events(queue: Queue) -> None:
    """Let a queue's events go without their texts once they have ended.

    Args:
        queue: of a page that is laid out.
    """
    process = queue.process_events

    async def process_and_free(events: list[Event], *arguments: Any, **named: Any) -> None:
        try:
            await process(events, *arguments, **named)
        finally:
            for event in events:
                event.data = event.request = None  # type: ignore[assignment]

    queue.process_events = process_and_free  # type: ignore[method-assign]
