"""Events are written at once where somebody waits for them, and else together."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from codegemma_ui.ipc.event_writer import PACE_S, EventWriter
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent, Event, PromptEvent, TokenEvent

PROMPT = PromptEvent(
    prompt="x", prompt_tokens=1, max_length=40, trimmed_prefix_tokens=0, trimmed_suffix_tokens=0
)
ERROR = ErrorEvent(code="engine_error", message="no", hint="")


def token(index: int, *, forced: bool = False) -> TokenEvent:
    return TokenEvent(index=index, id=index, text="x", logprob=None, alternatives=(), forced=forced)


class Writer:
    """A writer whose clock stands still unless it is moved, and the lines that it wrote."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.lines: queue.Queue[list[tuple[str, str]]] = queue.Queue()
        self.writer = EventWriter(self._write, lambda: self.now_s)

    def _write(self, message: dict[str, Any]) -> None:
        self.lines.put([(one["request_id"], one["event"]) for one in message["events"]])

    def send(self, *events: Event, request_id: str = "a") -> None:
        for event in events:
            self.writer.send(request_id, event)

    def written(self) -> list[list[tuple[str, str]]]:
        lines = []
        while not self.lines.empty():
            lines.append(self.lines.get())
        return lines


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_the_first_token_and_the_end_are_written_at_once(writer: Writer) -> None:
    writer.send(PROMPT)
    assert writer.written() == []
    writer.send(token(0))
    assert writer.written() == [[("a", "prompt"), ("a", "token")]]
    writer.send(token(1), token(2))
    assert writer.written() == []
    writer.send(DoneEvent())
    assert writer.written() == [[("a", "token"), ("a", "token"), ("a", "done")]]


def test_forced_tokens_are_not_the_first_that_somebody_waits_for(writer: Writer) -> None:
    writer.send(PROMPT, token(0, forced=True), token(1, forced=True))
    assert writer.written() == []
    writer.send(token(2))
    assert writer.written() == [[("a", "prompt"), *[("a", "token")] * 3]]


def test_a_prompt_whose_prefill_takes_long_is_written_in_time(writer: Writer) -> None:
    writer.now_s += 1  # after an idle time
    writer.send(PROMPT)
    assert writer.written() == []
    writer.now_s += PACE_S
    assert writer.lines.get(timeout=10) == [("a", "prompt")]


def test_tokens_further_apart_than_the_pace_are_not_delayed(writer: Writer) -> None:
    writer.send(PROMPT, token(0))
    for index in range(1, 4):
        writer.written()
        writer.now_s += PACE_S
        writer.send(token(index))
        assert writer.written() == [[("a", "token")]]


def test_a_token_that_none_follows_is_written_in_time(writer: Writer) -> None:
    writer.send(PROMPT, token(0), token(1))
    writer.written()
    writer.now_s += PACE_S
    assert writer.lines.get(timeout=10) == [("a", "token")]


def test_each_request_has_a_first_token_of_its_own(writer: Writer) -> None:
    writer.send(PROMPT, token(0), token(1))
    writer.send(PROMPT, token(0), request_id="b")
    assert writer.written() == [
        [("a", "prompt"), ("a", "token")],
        [("a", "token"), ("b", "prompt"), ("b", "token")],
    ]
    writer.send(ERROR, request_id="b")
    assert writer.written() == [[("b", "error")]]
