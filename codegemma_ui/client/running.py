"""The generations that the worker works on, by request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from codegemma_ui.client.generation import Generation
from codegemma_ui.client.queue import RequestQueue
from codegemma_ui.ipc.messages import Event

GRACE_S = 30.0
"""Seconds beyond its time limit after which a generation is considered hung, counted from when it is sent,
and again from when the worker begins. The engine enforces the limit itself, between two dispatches; it cannot
if a dispatch never ends, or if a request is never started."""


class Running:
    """Generations from the moment at which the worker has them until it has ended them.

    Args:
        queue: gets the slot of each back at its end.
        clock: seconds; only differences count.
    """

    def __init__(self, queue: RequestQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue, self._clock = queue, clock
        self._lock = threading.Lock()
        self._by_id: dict[str, Generation] = {}
        self._due_s: dict[str, float] = {}

    def __contains__(self, generation: Generation) -> bool:
        return generation.request_id in self._by_id

    def all(self) -> list[Generation]:
        """Return them in the order in which they began."""
        with self._lock:
            return list(self._by_id.values())

    def get(self, request_id: str) -> Generation | None:
        """Return the generation of a request, or None if the worker does not work on it."""
        return self._by_id.get(request_id)

    def add(self, generation: Generation, limit_s: float) -> None:
        """Add a generation that is being sent to the worker; its time limit counts from now."""
        with self._lock:
            self._by_id[generation.request_id] = generation
        self.begin(generation, limit_s)

    def begin(self, generation: Generation, limit_s: float) -> None:
        """Count a generation's time limit from now, if it has not ended."""
        with self._lock:
            if generation in self:
                self._due_s[generation.request_id] = self._clock() + limit_s + GRACE_S

    def is_overdue(self) -> bool:
        """Return whether one has not ended `GRACE_S` beyond its time limit."""
        with self._lock:
            return any(due_s < self._clock() for due_s in self._due_s.values())

    def take_all(self) -> list[Generation]:
        """Remove and return all of them; each is then ended by `end`."""
        with self._lock:
            taken, self._by_id, self._due_s = list(self._by_id.values()), {}, {}
            return taken

    def end(self, generation: Generation, event: Event) -> None:
        """Give back the slot of a generation that the worker has ended, and pass its last event on."""
        with self._lock:
            self._by_id.pop(generation.request_id, None)
            self._due_s.pop(generation.request_id, None)
        assert generation.ticket is not None
        self._queue.release(generation.ticket)
        generation.put(event)
