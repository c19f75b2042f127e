"""The generations that the worker works on, by request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from codegemma_ui.client.generation import Generation
from codegemma_ui.client.queue import RequestQueue
from codegemma_ui.ipc.messages import Event


class Running:
    """Generations from the moment at which the worker has them until it has ended them.

    Args:
        queue: gets the slot of each back at its end.
    """

    def __init__(self, queue: RequestQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._by_id: dict[str, Generation] = {}

    def __contains__(self, generation: Generation) -> bool:
        return generation.request_id in self._by_id

    def all(self) -> list[Generation]:
        """Return them in the order in which they began."""
        with self._lock:
            return list(self._by_id.values())

    def get(self, request_id: str) -> Generation | None:
        """Return the generation of a request, or None if the worker does not work on it."""
        return self._by_id.get(request_id)

    def add(
        self, generation: Generation, limit_s: float, overdue: Callable[[Generation], None]
    ) -> None:
        """Add a generation that is being sent to the worker.

        Args:
            limit_s: its time limit.
            overdue: called if it has not ended long after that.
        """
        with self._lock:
            self._by_id[generation.request_id] = generation
        generation.watch(lambda: overdue(generation), limit_s)

    def take_all(self) -> list[Generation]:
        """Remove and return all of them; each is then ended by `end`."""
        with self._lock:
            taken, self._by_id = list(self._by_id.values()), {}
            return taken

    def end(self, generation: Generation, event: Event) -> None:
        """Give back the slot of a generation that the worker has ended, and pass its last event on."""
        with self._lock:
            self._by_id.pop(generation.request_id, None)
        generation.unwatch()
        assert generation.ticket is not None
        self._queue.release(generation.ticket)
        generation.put(event)
