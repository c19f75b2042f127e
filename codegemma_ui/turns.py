"""One at a time, first come first served, across threads and event loops.

Gradio's own limit can be passed by its other doors and by a cancelled generator that has not ended yet,
so the engine's client keeps the line itself.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future


class Turn(Future[None]):
    """A place in the line; the future completes when the turn has come."""


class Turns:
    """A line of turns; the first one holds the floor until it is given back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Turn | None = None
        self._waiting: deque[Turn] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in line behind the holder."""
        return len(self._waiting)

    def join(self, *, first: bool = False) -> Turn:
        """Stand in line, at its head if `first`."""
        turn = Turn()
        with self._lock:
            (self._waiting.appendleft if first else self._waiting.append)(turn)
        self._advance()
        return turn

    def give_back(self, turn: Turn) -> None:
        """End a turn, or leave the line; giving back twice does nothing."""
        with self._lock:
            if self._holder is turn:
                self._holder = None
            elif turn in self._waiting:
                self._waiting.remove(turn)
        self._advance()

    def _advance(self) -> None:
        while True:
            with self._lock:
                if self._holder is not None or not self._waiting:
                    return
                turn = self._holder = self._waiting.popleft()
            if turn.set_running_or_notify_cancel():
                turn.set_result(None)
                return
            with self._lock:  # its waiter was cancelled meanwhile
                if self._holder is turn:
                    self._holder = None
