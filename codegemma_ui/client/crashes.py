"""The decision to restart a crashed worker at once or after a pause. Pure but for a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

CRASH_WINDOW_S = 60.0
MAX_CRASHES = 3
"""After this many crashes within the window, or in a row while loading, the next start is delayed."""

FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 600.0
"""Each pause is twice the one before it, up to this, until a completion succeeds."""


class Crashes:
    """The last few crashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: deque[float] = deque(maxlen=MAX_CRASHES)
        self._in_a_row = 0
        self._pause_s = FIRST_PAUSE_S

    def note(self, *, loading: bool = False) -> None:
        """Record a crash; `loading` if the worker was not up yet."""
        self._last.append(self._clock())
        self._in_a_row = self._in_a_row + 1 if loading else 0

    def came_up(self) -> None:
        """Record that a worker serves."""
        self._in_a_row = 0

    def forget(self) -> None:
        """Start over, since a user requested another try."""
        self._last.clear()
        self._in_a_row = 0
        self.worked()

    def worked(self) -> None:
        """Record a successful completion: the next pause is the first one again."""
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self) -> float:
        """Return the pause before the next start, and double the one after it."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s

    @property
    def too_often(self) -> bool:
        """Return whether the next start is to be delayed."""
        within = len(self._last) == MAX_CRASHES and self._last[-1] - self._last[0] < CRASH_WINDOW_S
        return within or self._in_a_row >= MAX_CRASHES
