"""Unfetched messages are dropped, oldest first, and a late caller gets an error."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.queueing import Queue
from gradio.server_messages import ProcessCompletedMessage

from codegemma_ui.server.unfetched import NOT_FETCHED, Unfetched

TEXT = "x" * 100_000
ROOM = 250_000


@pytest.fixture
def queue() -> Queue:
    queue = Queue(True, 1, 1.0, None, None)  # type: ignore[arg-type]
    Unfetched(queue, ROOM)
    return queue


def send(queue: Queue, session: str, text: str = TEXT) -> None:
    kept = queue.pending_messages_per_session
    if session not in kept:
        kept[session] = asyncio.Queue()
        queue.pending_event_ids_session[session] = {session}
    event: Any = SimpleNamespace(alive=True, session_hash=session, _id=session)
    queue.send_message(event, ProcessCompletedMessage(output={"data": [text]}, success=True))


def waiting(queue: Queue, session: str) -> list[Any]:
    messages = queue.pending_messages_per_session[session]
    return [messages.get_nowait() for _ in range(messages.qsize())]


def test_the_oldest_are_dropped_and_told(queue: Queue) -> None:
    for session in ("a", "b", "c"):
        send(queue, session)
    (told,) = waiting(queue, "a")
    assert (told.success, told.output, told.event_id) == (False, {"error": NOT_FETCHED}, "a")
    assert [one.output["data"] for one in waiting(queue, "c")] == [[TEXT]]


def test_what_was_fetched_counts_no_more(queue: Queue) -> None:
    send(queue, "a")
    send(queue, "b")
    assert waiting(queue, "a")[0].success
    send(queue, "c")
    assert waiting(queue, "b")[0].success


def test_one_session_alone_is_bounded_too(queue: Queue) -> None:
    for _ in range(5):
        send(queue, "a")
    kept = [one for one in waiting(queue, "a") if one.success]
    assert 1 <= len(kept) <= 2


def test_ids_of_events_that_nobody_fetched_are_forgotten(queue: Queue) -> None:
    for number in range(3 * queue.pending_messages_per_session.max_size):
        send(queue, str(number), "x")
    ids = queue.pending_event_ids_session
    assert len(ids) <= 2 * queue.pending_messages_per_session.max_size
