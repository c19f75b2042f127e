"""A stream of events, folded into what is known so far, at a pace a browser can take.

Each update of a page replaces a whole document, so a page wants 10 to 20 of them a second and a model
may give a thousand tokens. The page and the HTTP API both read from here.
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
"""Seconds between two updates while tokens come; the contract promises 0.1 at most."""

HEARTBEAT_S = 0.25
"""Seconds between two updates while nothing comes: a closed tab is noticed at the next one."""


class Progress:
    """One generation as known so far.

    Attributes:
        completion: the fields of `done`, filled as they become known.
        prompt: the prompt event, once it came.
        prefill: the latest prefill event, if any came.
        tokens: every token event so far.
        last: the event that ended the stream, once it came.
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
        """Take the next event of the stream."""
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
        """Seconds until the prompt is prefilled, at the speed so far; None where that is not known yet."""
        if self.prefill is None or len(self._prefills) < 2:
            return None
        (began_s, before), (now_s, tokens) = self._prefills
        if tokens <= before:
            return None
        return (self.prefill.total_tokens - tokens) * (now_s - began_s) / (tokens - before)

    def refresh(self) -> None:
        """Bring `completion` up to the tokens that came; the last event does it by itself."""
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
        """All of `done`'s keys with the values so far, those of `prefill` during it, or the flat error
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
    """Yield the same `Progress` again and again: on acceptance, at the first token, then at least every
    0.1 s while tokens come, every 0.25 s while none do, and once at the end. A refusal is the only update.

    Closing this generator cancels the generation. Where that was cancelled elsewhere, or nobody listens any
    more, this ends with `Progress.last` still None, and what came so far stays in it.

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
            first_token = first and progress.tokens  # shown by itself, whatever came after it
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
