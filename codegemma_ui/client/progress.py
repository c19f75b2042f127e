"""A stream of events, folded into what is known so far, at a pace a browser can take.

Each update of a page replaces a whole document, so a page wants 10 to 20 of them a second and a model
may give a thousand tokens. The page and the HTTP API both read from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import asdict, fields, replace
from typing import Any

from codegemma_ui import fim
from codegemma_ui.ipc.messages import (
    LAST_EVENTS,
    CancelledEvent,
    Completion,
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


class Stop:
    """What ends one stream of updates at once; made in its event loop, pressed from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pressed = asyncio.Event()

    def press(self) -> None:
        """End the stream."""
        with contextlib.suppress(RuntimeError):  # its event loop is closed, and the stream with it
            self._loop.call_soon_threadsafe(self._pressed.set)

    async def pressed(self) -> None:
        """Wait for it."""
        await self._pressed.wait()


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


_STOPPED = object()


async def updates(
    events: AsyncIterator[Event], prefix: str, suffix: str, stop: Stop | None = None
) -> AsyncGenerator[Progress, None]:
    """Yield the same `Progress` again and again: on acceptance, at the first token, then at least every
    0.1 s while tokens come, every 0.25 s while none do, and once at the end.

    Closing this generator closes `events`, which cancels the generation; so does `stop`, at once, after
    which `Progress.last` is still None.
    """
    progress = Progress(prefix, suffix)
    queue: asyncio.Queue[Event | BaseException | object | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for event in events:
                queue.put_nowait(event)
            queue.put_nowait(None)
        except BaseException as error:  # handed to the reader below, who raises it
            queue.put_nowait(error)
            raise

    async def listen(stop: Stop) -> None:
        await stop.pressed()
        queue.put_nowait(_STOPPED)

    tasks = [asyncio.create_task(pump())]
    if stop is not None:
        tasks.append(asyncio.create_task(listen(stop)))
    try:
        yield progress
        shown_s = 0.0
        while progress.last is None:
            first = not progress.tokens
            wait = HEARTBEAT_S if first else UPDATE_INTERVAL_S
            with contextlib.suppress(TimeoutError):
                said = await asyncio.wait_for(queue.get(), wait)
                if said is _STOPPED:
                    return
                _take(said, progress)
            first_token = first and progress.tokens
            while not first_token and not queue.empty():
                said = queue.get_nowait()
                if said is _STOPPED:
                    return
                _take(said, progress)
                first_token = first and progress.tokens  # shown by itself, whatever came after it
            now = time.monotonic()
            if progress.last or first_token or now - shown_s >= UPDATE_INTERVAL_S:
                shown_s = now
                progress.refresh()
                yield progress
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()


def _take(said: Any, progress: Progress) -> None:
    if isinstance(said, BaseException):
        raise said
    if said is not None:
        progress.add(said)
    elif not isinstance(progress.last, LAST_EVENTS):
        progress.add(
            ErrorEvent(code="engine_error", message="The stream ended without a last event.")
        )
