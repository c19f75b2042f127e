"""The one queue of requests and switches, in the order of their arrival, across threads and event loops.

Gradio's own limit can be bypassed through its other endpoints, and by a cancelled generator that has not
ended yet. So the client keeps the queue, which alone counts the requests that wait.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from codegemma_ui.errors import EngineError


class QueueFull(EngineError):
    """The queue is full."""

    code = "queue_full"


class Ticket(Future[None]):
    """A place in the queue. The future completes when its turn has come.

    Args:
        alone: whether nothing else may run meanwhile, as during a switch.

    Attributes:
        ending: it was cancelled, and holds its slot until the worker has stopped; it is no longer counted as
            a request.
    """

    def __init__(self, alone: bool = False) -> None:
        super().__init__()
        self.alone = alone
        self.ending = False

    @property
    def counts(self) -> bool:
        """Whether it is a request that somebody waits for."""
        return not self.alone and not self.ending


class RequestQueue:
    """Up to `at_once` tickets hold a slot until they release it; the others wait in order.

    Args:
        most_waiting: requests that may wait behind those that run; None sets no limit.
    """

    def __init__(self, most_waiting: int | None = None) -> None:
        self.most_waiting = most_waiting
        self._lock = threading.Lock()
        self._at_once = 1
        self._holders: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()

    @property
    def waiting(self) -> int:
        """The number of waiting requests; a switch is not counted."""
        with self._lock:
            return sum(not ticket.alone for ticket in self._waiting)

    @property
    def unused(self) -> bool:
        """Return whether nothing holds a slot and nothing waits."""
        with self._lock:
            return not self._holders and not self._waiting

    def ahead_of(self, ticket: Ticket) -> int:
        """Return the number of requests that must end before this one's turn; 0 once it has come."""
        with self._lock:
            if ticket not in self._waiting:
                return 0
            before = [one for one in (*self._holders, *self._waiting) if one.counts]
            return max(0, before.index(ticket) + 1 - self._at_once)

    def check_room(self, expected: int = 0) -> None:
        """Check that one more request may join.

        Args:
            expected: requests that are known to join before it.

        Raises:
            QueueFull: `most_waiting` requests are already waiting.
        """
        if self.most_waiting is None:
            return
        with self._lock:
            requests = sum(one.counts for one in (*self._holders, *self._waiting))
        if requests + expected >= self.most_waiting + self._at_once:
            raise QueueFull(
                f"At most {self.most_waiting} requests may wait. Received: one more.",
                "Try again in a moment.",
            )

    def admit(self, at_once: int) -> None:
        """Set the number of slots; a ticket that holds one keeps it."""
        with self._lock:
            self._at_once = at_once
        self._advance()

    def join(self, *, first: bool = False, alone: bool = False) -> Ticket:
        """Join the queue, at its head if `first`; nothing passes a waiting ticket that is to be `alone`."""
        ticket = Ticket(alone)
        with self._lock:
            (self._waiting.appendleft if first else self._waiting.append)(ticket)
        self._advance()
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Release a slot, or leave the queue; releasing twice does nothing."""
        with self._lock:
            if ticket in self._holders:
                self._holders.remove(ticket)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
        self._advance()

    def _advance(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or not self._may_run(self._waiting[0]):
                    return
                ticket = self._waiting.popleft()
                self._holders.append(ticket)
            ticket.set_result(None)

    def _may_run(self, ticket: Ticket) -> bool:
        if ticket.alone or any(holder.alone for holder in self._holders):
            return not self._holders
        return len(self._holders) < self._at_once
