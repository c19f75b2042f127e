"""A stream of events, folded into the state so far, at a rate that a browser can handle.

Each update of a page replaces a whole document, so a page needs 10 to 20 updates per second, while a model
may generate a thousand tokens. The page and the HTTP API both use this.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, fields, replace
from typing import Any

from codegemma_ui import fim
from codegemma_ui.client.generation import Generation
from codegemma_ui.ipc.messages import (
    CancelledEvent,
    Completion,
    CompletionRequest,
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    TokenEvent,
    event_to_dict,
)

UPDATE_INTERVAL_S = 0.07
"""Seconds between two updates while tokens arrive; the API promises at most 0.1."""

HEARTBEAT_S = 0.25
"""Seconds between two updates while nothing arrives: a closed tab is noticed at the next one."""


class Progress:
    """The state of one generation so far.

    Attributes:
        completion: the fields of `done`, filled as they become known.
        prompt: the prompt event, once it has arrived.
        prefill: the latest prefill event, if any.
        tokens: all token events so far.
        last: the event that ended the stream, once it has arrived.
    """

    def __init__(
        self, prefix: str, suffix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix, self._suffix, self._clock = prefix, suffix, clock
        self.completion = Completion()
        self.prompt: PromptEvent | None = None
        self.prefill: PrefillEvent | None = None
        self._prefills: list[tuple[float, int]] = []  # seconds and tokens: the first, the latest
        self.tokens: list[TokenEvent] = []
        self.last: DoneEvent | CancelledEvent | ErrorEvent | None = None

    def add(self, event: Event) -> None:
        """Add the next event of the stream."""
        match event:
            case PromptEvent():
                self.prompt = event
                self.completion = replace(
                    self.completion, prompt=event.prompt, prompt_tokens=event.prompt_tokens
                )
            case PrefillEvent():
                self.prefill = event
                self._prefills[1:] = [(self._clock(), event.prefilled_tokens)]
            case TokenEvent():
                self.tokens.append(event)
            case DoneEvent() | CancelledEvent():
                self.completion = Completion(
                    **{one.name: getattr(event, one.name) for one in fields(Completion)}
                )
                self.last = event
            case ErrorEvent():
                self.last = event

    @property
    def prefill_left_s(self) -> float | None:
        """Return the seconds until the prompt is prefilled, at the speed so far; None if not yet known."""
        if self.prefill is None or len(self._prefills) < 2:
            return None
        (began_s, before), (now_s, tokens) = self._prefills
        if tokens <= before:
            return None
        return (self.prefill.total_tokens - tokens) * (now_s - began_s) / (tokens - before)

    def refresh(self) -> None:
        """Update `completion` from the tokens so far; the last event does it by itself."""
        if self.last is not None or not self.tokens:
            return
        middle = "".join(token.text for token in self.tokens if not token.past_end)
        self.completion = replace(
            self.completion,
            raw_output="".join(token.text for token in self.tokens),
            middle=middle,
            program=fim.splice(self._prefix, middle, self._suffix),
            token_ids=tuple(token.id for token in self.tokens),
            completion_tokens=len(self.tokens),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all keys of `done` with the values so far, those of `prefill` during it, or the flat error
        event."""
        if self.last is not None:
            return event_to_dict(self.last)
        if self.prefill is not None and not self.tokens:
            return {**event_to_dict(self.prefill), **asdict(self.completion)}
        name = TokenEvent.event if self.tokens else PromptEvent.event
        return {"event": name, **asdict(self.completion)}


async def updates(
    generation: Generation, has_listener: Callable[[], bool] = lambda: True
) -> AsyncGenerator[Progress]:
    """Yield the same `Progress` repeatedly: on acceptance, at the first token, then at least every 0.1 s
    while tokens arrive, every 0.25 s while none do, and once at the end. A refusal is the only update.

    Closing this generator cancels the generation. If it was cancelled elsewhere, or has no listener any more,
    this ends with `Progress.last` still None, and the state so far is kept.

    Args:
        has_listener: called before each update; the first False ends the generation.
    """
    request = generation.request or CompletionRequest()
    progress = Progress(request.prefix, request.suffix)
    with generation:
        if generation.refusal is not None:
            progress.add(generation.refusal)
        yield progress
        shown_s = 0.0
        while progress.last is None:
            first = not progress.tokens
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S if first else UPDATE_INTERVAL_S):
                    event = await anext(generation, None)
                if event is None:
                    return
                progress.add(event)
            first_token = first and progress.tokens  # shown by itself, whatever follows
            while not first_token and (event := generation.arrived()) is not None:
                progress.add(event)
                first_token = first and progress.tokens
            now = time.monotonic()
            if progress.last or first_token or now - shown_s >= UPDATE_INTERVAL_S:
                if not has_listener():
                    return
                shown_s = now
                progress.refresh()
                yield progress
