"""Detection of a hung worker: it is pinged every second, and responds on a separate thread.

An exit is noticed by itself; a process that was stopped, or that hangs while it holds the GIL, is not. One
that responds is considered hung too if a request exceeds its time limit by far.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""Seconds between two pings."""

QUIET_S = 10.0
"""Seconds without a message after which the status reports it."""

SERVING_S = 30.0
"""Seconds without a message after which a serving worker is considered hung."""

COMING_UP_QUIET_S = 60.0
COMING_UP_S = 180.0
"""The same two for a starting worker: importing a library from a slow disk holds the GIL."""


class Heartbeat:
    """The heartbeat of one worker.

    Silence is counted in beats and not on a clock, so that a suspended machine finds no worker silent.

    Args:
        ping: sends the worker a ping; any message counts as a response.
        is_overdue: returns whether a serving worker has not ended a request within its time limit.
        hung: called once, when the worker is considered hung.
    """

    def __init__(
        self, ping: Callable[[], None], is_overdue: Callable[[], bool], hung: Callable[[], None]
    ) -> None:
        self._ping, self._is_overdue, self._hung = ping, is_overdue, hung
        self._ended = threading.Event()
        self._beats = 0
        self._serving = False

    def start(self) -> None:
        """Start pinging."""
        threading.Thread(target=self._run, daemon=True, name="heartbeat").start()

    def responded(self) -> None:
        """Record a message from the worker."""
        self._beats = 0

    def serves(self) -> None:
        """Record that the worker is up: it has less time to respond from now on."""
        self._serving = True

    def end(self) -> None:
        """Stop: the worker is gone."""
        self._ended.set()

    @property
    def quiet(self) -> bool:
        """Return whether no message has arrived for unusually long."""
        return self._beats * BEAT_S >= (QUIET_S if self._serving else COMING_UP_QUIET_S)

    def _run(self) -> None:
        while not self._ended.wait(BEAT_S):
            if self._is_hung():
                self._hung()
                return
            self._beats += 1
            self._ping()

    def _is_hung(self) -> bool:
        silent_s = self._beats * BEAT_S
        if silent_s >= (SERVING_S if self._serving else COMING_UP_S):
            log.error("a worker has not responded for %g s", silent_s)
            return True
        if self._serving and self._is_overdue():
            log.error("a completion did not end within its time limit: its worker is replaced")
            return True
        return False
