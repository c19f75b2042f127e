"""One generation: its place in the queue, its events, and its end.

`EngineClient.submit` creates it, in the event loop that reads it. It knows neither the worker nor the queue,
only two functions that do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol

from codegemma_ui import secrets
from codegemma_ui.client.pace import Measured
from codegemma_ui.client.queue import Ticket
from codegemma_ui.errors import PlaygroundError
from codegemma_ui.ipc.messages import LAST_EVENTS, CompletionRequest, ErrorEvent, Event

log = logging.getLogger(__name__)

_END = object()


class Observer(Protocol):
    """Observes one generation; called from any thread, one call at a time."""

    def events(self, events: Sequence[Event]) -> None:
        """Receive events that arrived together, before the reader does."""

    def ended(self) -> None:
        """Called when the last event has arrived, or the reader has left before it."""


class Generation:
    """One running request: an asynchronous iterator of its events.

    Leaving its context manager cancels it, which does nothing once it has ended.

    Args:
        request: as sent to the worker; None if it was invalid.
        cancel: ends it wherever it is; called at most once.
        ahead: returns the number of requests that must end before its turn.
        observers: observe it.

    Attributes:
        request_id: its id on the pipe.
        ticket: its place in the queue; None if it was refused.
        measured: its speed, once the worker has it.
        cancelled: whether it was cancelled, or its reader has left.
    """

    def __init__(
        self,
        request_id: str,
        request: CompletionRequest | None,
        cancel: Callable[[Generation], None],
        ahead: Callable[[Generation], int] = lambda _: 0,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.request_id, self.request = request_id, request
        self._cancel, self._ahead, self._observers = cancel, ahead, tuple(observers)
        self.ticket: Ticket | None = None
        self.measured: Measured | None = None
        self.cancelled = False
        self.refusal: ErrorEvent | None = None
        """The error if it was refused at once; then this is its only event."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._events: asyncio.Queue[Event | object] = asyncio.Queue()
        self._lock = threading.RLock()
        self._ended = False  # nothing more is put
        self._exhausted = False  # nothing more is read

    @property
    def ahead(self) -> int:
        """Return the number of requests that must end before its turn."""
        return self._ahead(self)

    # For the reader

    def __aiter__(self) -> Generation:
        return self

    async def __anext__(self) -> Event:
        if self._exhausted:
            raise StopAsyncIteration
        event = self._read(await self._events.get())
        if event is None:
            raise StopAsyncIteration
        return event

    def arrived(self) -> Event | None:
        """Return the next event if it has arrived."""
        if self._exhausted or self._events.empty():
            return None
        return self._read(self._events.get_nowait())

    def _read(self, item: Event | object) -> Event | None:
        self._exhausted = item is _END or isinstance(item, LAST_EVENTS)
        return None if item is _END else item  # type: ignore[return-value]

    def cancel(self) -> None:
        """End it, from any thread: its reader gets no further event, and the slot is released as soon as the
        worker has stopped."""
        with self._lock:
            if self._ended:
                return
            self._end()
            self.cancelled = True
        self._put(_END)
        self._cancel(self)

    def __enter__(self) -> Generation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    # For the client

    def put(self, *events: Event) -> None:
        """Pass events that arrived together to the reader, from any thread; after the end, or once the reader
        has left, they are dropped. None follows a last event."""
        shown = [
            ErrorEvent.of(secrets.masked_error(one.error())) if isinstance(one, ErrorEvent) else one
            for one in events
        ]
        with self._lock:
            if self._ended or not shown:
                return
            for observer in self._observers:
                observer.events(shown)
            if isinstance(shown[-1], LAST_EVENTS):
                self._end()
        self._put(*shown)

    def refuse(self, error: PlaygroundError) -> None:
        """Make an error its only event; called by its creator, in the reader's event loop."""
        self.refusal = ErrorEvent.of(secrets.masked_error(error))
        self.put(self.refusal)

    def _end(self) -> None:
        self._ended = True
        for observer in self._observers:
            observer.ended()

    def _put(self, *items: Event | object) -> None:
        if threading.get_ident() == self._thread:
            self._put_now(items)
            return
        try:
            self._loop.call_soon_threadsafe(self._put_now, items)
        except RuntimeError:
            log.debug("the reader's event loop is closed; its events are dropped")

    def _put_now(self, items: Iterable[Event | object]) -> None:
        for item in items:
            self._events.put_nowait(item)
