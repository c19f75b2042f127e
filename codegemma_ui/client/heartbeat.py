"""Whether a worker still hears: it is asked every few seconds, and answers on a thread of its own.

An exit tells of itself; a process that was stopped, or that hangs with the interpreter's lock held, does not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""Seconds between two questions."""

QUIET_S = 10.0
"""Seconds without a word after which that is told."""

SERVING_S = 30.0
"""Seconds without a word after which a worker that serves is taken to hang."""

COMING_UP_QUIET_S = 60.0
COMING_UP_S = 180.0
"""The same two of one that comes up: a library imported from a slow disk holds the interpreter's lock."""


class Heartbeat:
    """One worker's.

    Silence is counted in beats and not on a clock, so that a machine that slept finds nobody silent.

    Args:
        ask: sends the worker a question; whatever it says is an answer.
        hung: is called, once, where it is taken to hang.
    """

    def __init__(self, ask: Callable[[], None], hung: Callable[[], None]) -> None:
        self._ask, self._hung = ask, hung
        self._over = threading.Event()
        self._beats = 0
        self._serving = False

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, daemon=True, name="heartbeat").start()

    def heard(self) -> None:
        """It said something."""
        self._beats = 0

    def serves(self) -> None:
        """It came up: it has less time to answer from now on."""
        self._serving = True

    def end(self) -> None:
        """It is gone."""
        self._over.set()

    @property
    def quiet(self) -> bool:
        """Whether no word came for longer than is usual."""
        return self._beats * BEAT_S >= (QUIET_S if self._serving else COMING_UP_QUIET_S)

    def _run(self) -> None:
        while not self._over.wait(BEAT_S):
            if self._beats * BEAT_S >= (SERVING_S if self._serving else COMING_UP_S):
                log.error("a worker said nothing for %g s", self._beats * BEAT_S)
                self._hung()
                return
            self._beats += 1
            self._ask()
