"""One generation under way: where its events go, and how long it may take."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from codegemma_ui.client.pace import Measured
from codegemma_ui.client.queue import Ticket
from codegemma_ui.ipc.messages import Event

log = logging.getLogger(__name__)

GRACE_S = 30.0
"""Seconds beyond its time limit after which a generation is taken to hang, counted from when it is sent, and
once more from its first dispatch. The engine keeps the limit by itself, between two dispatches; it cannot
where a dispatch never ends, or where what was sent is never begun."""


@dataclass(eq=False)
class Stream:
    """One generation.

    Attributes:
        ticket: its place in the line.
        loop: of its caller.
        time_limit_s: counted from its first dispatch.
        max_length: as it was asked for.
        measured: how it goes, once the worker has it.
        stopped: it was cancelled, and the worker has not said yet that it has ended.
    """

    request_id: str
    ticket: Ticket
    loop: asyncio.AbstractEventLoop
    time_limit_s: float = 0.0
    max_length: int = 0
    measured: Measured | None = None
    stopped: bool = False
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _timer: threading.Timer | None = None

    def put(self, event: Event) -> None:
        """Hand an event to the caller; from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:
            log.debug("the caller's event loop is closed; its event is dropped")

    def watch(self, overdue: Callable[[], None]) -> None:
        """Call `overdue` where it goes on long beyond its limit, counted from now."""
        self.ended()
        self._timer = threading.Timer(self.time_limit_s + GRACE_S, overdue)
        self._timer.daemon = True
        self._timer.start()

    def ended(self) -> None:
        """There is nothing to watch any more."""
        if self._timer is not None:
            self._timer.cancel()
