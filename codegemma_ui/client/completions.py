"""The door through which the page and the API reach the engine: at most so many wait, and each can stop.

The client's own line makes requests take turns. Gradio's queue lets every one of them start at once, so
that a waiting person sees at once that they wait, and for how many; can stop waiting; and a closed tab
leaves the line at its next heartbeat. What is too many is refused here, as an event.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from typing import cast

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import Progress, Stop, updates
from codegemma_ui.ipc.messages import ErrorEvent, Event


class Completions:
    """Requests under way.

    Args:
        client: the engine's handle.
        most_waiting: requests that may wait behind those that run.

    Attributes:
        begun: how many requests have come so far, refused ones among them.
    """

    def __init__(self, client: EngineClient, most_waiting: int) -> None:
        self._client = client
        self._most_waiting = most_waiting
        self.begun = 0
        self._line: list[Call] = []  # in the order of the client's own line
        self._by_session: defaultdict[str, list[Call]] = defaultdict(list)

    @contextlib.contextmanager
    def call(
        self, session: str | None = None, has_listener: Callable[[], bool] = lambda: True
    ) -> Generator[Call]:
        """A request from before its first update to its end.

        Args:
            session: who may `stop` it.
            has_listener: asked at each update; where nobody listens any more, the stream ends.
        """
        call = Call(self, has_listener)
        if session is not None:
            self._by_session[session].append(call)
        try:
            yield call
        finally:
            if session is not None:
                self._by_session[session].remove(call)
                if not self._by_session[session]:
                    del self._by_session[session]

    def stop(self, session: str | None) -> None:
        """End the session's streams, at once. From any thread."""
        for call in list(self._by_session.get(session or "", ())):
            call.stop.press()

    def arrival(self) -> ErrorEvent | None:
        """A request has come; why it cannot stay, if so."""
        self.begun += 1
        return self.refusal()

    def refusal(self, on_the_way: int = 0) -> ErrorEvent | None:
        """What one more request is told, where no more may wait.

        Args:
            on_the_way: requests that will have come before it.
        """
        if len(self._line) + on_the_way < self._most_waiting + self._client.status().at_once:
            return None
        return ErrorEvent(
            code="queue_full",
            message=f"At most {self._most_waiting} requests may wait, and that many do.",
            hint="Try again in a moment.",
        )

    def ahead_of(self, call: Call) -> int:
        """How many requests must end before this one's turn comes; those before it run or wait."""
        place = self._line.index(call) if call in self._line else 0
        return max(0, place + 1 - self._client.status().at_once)

    async def events(self, call: Call, raw: Mapping[str, object]) -> AsyncGenerator[Event]:
        """The events of a request, or its refusal."""
        refusal = self.refusal()
        if refusal is not None:
            yield refusal
            return
        self._line.append(call)
        try:
            generator = cast(AsyncGenerator[Event], self._client.complete(raw))
            async with aclosing(generator) as events:
                async for event in events:
                    yield event
        finally:
            self._line.remove(call)


class Call:
    """One request; made in the event loop that runs it.

    Attributes:
        stop: ends its stream.
    """

    def __init__(self, completions: Completions, has_listener: Callable[[], bool]) -> None:
        self._completions = completions
        self._heard = has_listener
        self.stop = Stop()

    @property
    def ahead(self) -> int:
        """How many requests must end before this one's turn comes."""
        return self._completions.ahead_of(self)

    async def stream(self, raw: Mapping[str, object]) -> AsyncGenerator[Progress]:
        """Yield one `Progress` again and again, see `progress.updates`.

        Stopped, the stream ends with `Progress.last` still None, and what came so far stays in it.

        Args:
            raw: the fields of `messages.CompletionRequest`, unchecked.
        """
        # What is no string is refused as an event, by the client.
        prefix, suffix = (str(raw.get(side) or "") for side in ("prefix", "suffix"))
        events = self._completions.events(self, raw)
        async with aclosing(updates(events, prefix, suffix, self.stop)) as progresses:
            async for progress in progresses:
                if not self._heard():
                    return
                yield progress
