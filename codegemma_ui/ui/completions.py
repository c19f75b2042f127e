"""The door through which the page and the API reach the engine: at most so many wait, and each can stop.

The client's own line makes requests take turns. Gradio's queue lets every one of them start at once, so
that a waiting person sees at once that they wait, can stop waiting, and a closed tab leaves the line at
its next heartbeat; what is too many is refused here, as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast

from codegemma_ui.client import EngineClient
from codegemma_ui.messages import ErrorEvent, Event
from codegemma_ui.progress import Progress, updates


class Completions:
    """Requests under way.

    Args:
        client: the engine's handle.
        most_waiting: requests that may wait behind the running one.
    """

    def __init__(self, client: EngineClient, most_waiting: int) -> None:
        self._client = client
        self._most = most_waiting + 1
        self._under_way = 0
        self._stops: dict[str, asyncio.Event] = {}

    @property
    def under_way(self) -> int:
        """Requests that run or wait."""
        return self._under_way

    async def _events(self, raw: Mapping[str, object]) -> AsyncGenerator[Event]:
        if self._under_way >= self._most:
            yield ErrorEvent(
                code="queue_full",
                message=f"At most {self._most - 1} requests may wait. Received: one more.",
                hint="Try again in a moment.",
            )
            return
        self._under_way += 1
        try:
            generator = cast(AsyncGenerator[Event], self._client.complete(raw))
            async with aclosing(generator) as events:
                async for event in events:
                    yield event
        finally:
            self._under_way -= 1

    async def stream(
        self, raw: Mapping[str, object], session: str | None = None
    ) -> AsyncGenerator[Progress]:
        """Yield one `Progress` again and again, see `progress.updates`.

        Args:
            raw: the fields of `messages.CompletionRequest`, unchecked.
            session: who may `stop` it. Stopped, the stream ends with `Progress.last` still None, and
                what came so far stays in it.
        """
        stop = asyncio.Event()
        if session is not None:
            self._stops[session] = stop
        # What is no string is refused as an event, by the client.
        prefix, suffix = (str(raw.get(side) or "") for side in ("prefix", "suffix"))
        try:
            async with aclosing(updates(self._events(raw), prefix, suffix)) as progresses:
                async for progress in progresses:
                    if stop.is_set() and progress.last is None:
                        return
                    yield progress
        finally:
            if session is not None and self._stops.get(session) is stop:
                del self._stops[session]

    def stop(self, session: str | None) -> None:
        """End the session's stream; heard within a heartbeat."""
        stop = self._stops.get(session or "")
        if stop is not None:
            stop.set()
