"""Access to a request's events by kind; an unexpected kind fails the test here."""

from __future__ import annotations

from collections.abc import Sequence

from codegemma_ui.ipc.messages import (
    CancelledEvent,
    Completion,
    DoneEvent,
    ErrorEvent,
    Event,
    PromptEvent,
    TokenEvent,
)

Told = Sequence[Event | BaseException]
"""An exception may stand in place of the events that it ended."""


def prompt_of(events: Told) -> PromptEvent:
    first = events[0]
    assert isinstance(first, PromptEvent), first
    return first


def tokens_of(events: Told) -> list[TokenEvent]:
    return [event for event in events if isinstance(event, TokenEvent)]


def done_of(events: Told) -> DoneEvent:
    last = events[-1]
    assert isinstance(last, DoneEvent), last
    return last


def cancelled_of(events: Told) -> CancelledEvent:
    last = events[-1]
    assert isinstance(last, CancelledEvent), last
    return last


def error_of(events: Told) -> ErrorEvent:
    last = events[-1]
    assert isinstance(last, ErrorEvent), last
    return last


def middle_of(events: Told) -> str:
    """Return the middle of a completion that ran to its end."""
    middle = done_of(events).middle
    assert middle is not None
    return middle


def length_of(last: Completion) -> int:
    """Return the number of tokens as `max_length` counts them: prompt and completion."""
    assert last.prompt_tokens is not None
    assert last.completion_tokens is not None
    return last.prompt_tokens + last.completion_tokens
