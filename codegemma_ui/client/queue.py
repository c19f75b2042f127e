"""Who may go on, first come first served, across threads and event loops: so many at once, or one alone.

Gradio's own limit can be passed by its other doors and by a cancelled generator that has not ended yet,
so the engine's client keeps the line itself.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future


class Ticket(Future[None]):
    """A place in the line; the future completes when its turn has come.

    Args:
        alone: whether nobody else may hold the floor meanwhile.
    """

    def __init__(self, alone: bool = False) -> None:
        super().__init__()
        self.alone = alone


class RequestQueue:
    """First come, first served; the first ones hold the floor until they release it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_once = 1
        self._holders: list[Ticket] = []
        self._waiting: deque[Ticket] = deque()

    @property
    def waiting(self) -> int:
        """How many requests stand in line behind the holders; a switch is none."""
        with self._lock:
            return sum(not ticket.alone for ticket in self._waiting)

    @property
    def unused(self) -> bool:
        """Whether nobody holds the floor or waits for it."""
        with self._lock:
            return not self._holders and not self._waiting

    def admit(self, at_once: int) -> None:
        """Let so many hold the floor from now on; who holds it keeps it."""
        with self._lock:
            self._at_once = at_once
        self._advance()

    def join(self, *, first: bool = False, alone: bool = False) -> Ticket:
        """Stand in line, at its head if `first`; who comes behind one that is to be `alone` waits for it."""
        ticket = Ticket(alone)
        with self._lock:
            (self._waiting.appendleft if first else self._waiting.append)(ticket)
        self._advance()
        return ticket

    def release(self, ticket: Ticket) -> None:
        """End a turn, or leave the line; releasing twice does nothing."""
        with self._lock:
            if ticket in self._holders:
                self._holders.remove(ticket)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
        self._advance()

    def _advance(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or not self._may_go_on(self._waiting[0]):
                    return
                ticket = self._waiting.popleft()
                self._holders.append(ticket)
            if ticket.set_running_or_notify_cancel():
                ticket.set_result(None)
                continue
            with self._lock:  # its waiter was cancelled meanwhile
                if ticket in self._holders:
                    self._holders.remove(ticket)

    def _may_go_on(self, ticket: Ticket) -> bool:
        if ticket.alone or any(holder.alone for holder in self._holders):
            return not self._holders
        return len(self._holders) < self._at_once
