"""When a worker that ends by itself is started again by itself, and when no longer. Pure but for a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

CRASH_WINDOW_S = 60.0
MAX_CRASHES = 3
"""This many crashes within the window, or in a row while loading: then somebody has to look at it."""


class Crashes:
    """The last few of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: deque[float] = deque(maxlen=MAX_CRASHES)
        self._in_a_row = 0

    def note(self, *, loading: bool = False) -> None:
        """One more; `loading` where the worker had not come up."""
        self._last.append(self._clock())
        self._in_a_row = self._in_a_row + 1 if loading else 0

    def came_up(self) -> None:
        """A worker serves."""
        self._in_a_row = 0

    def forget(self) -> None:
        """A person asks for another try."""
        self._last.clear()
        self._in_a_row = 0

    @property
    def too_often(self) -> bool:
        """Whether to leave it."""
        within = len(self._last) == MAX_CRASHES and self._last[-1] - self._last[0] < CRASH_WINDOW_S
        return within or self._in_a_row >= MAX_CRASHES
