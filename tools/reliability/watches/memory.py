"""Memory of a process under attack, and whether it is returned afterwards."""

from __future__ import annotations

import time
from typing import Self

from tools.reliability import processes
from tools.reliability.figures import Figure
from tools.reliability.watches.looking import Looking

GROWN_MB, PEAK_MB = 100.0, 300.0
"""Memory that a page may take above its idle level: after the run, and at any moment of it."""

LOOK_S = 0.02

SETTLE_S = 5.0
"""Seconds after the run in which it may settle."""


class MemoryWatch(Looking):
    """The resident memory of one process.

    Args:
        who: its name in the figures.
        pid: of the process, which is idle when the block begins.
        grown_mb, peak_mb: the budget.
    """

    def __init__(
        self, who: str, pid: int, grown_mb: float = GROWN_MB, peak_mb: float = PEAK_MB
    ) -> None:
        super().__init__(LOOK_S)
        self._who, self._pid = who, pid
        self._grown_mb, self._peak_mb = grown_mb, peak_mb
        self._rest_mb = self._end_mb = processes.resident_mb(pid)
        self._highest_mb = self._rest_mb
        self._stage_mb = self._rest_mb
        self._ended = False

    def look(self) -> None:
        if self._ended:
            return
        try:
            now_mb = processes.resident_mb(self._pid)
        except OSError:  # a worker replaced by a switch, or a page that died, which others report
            self._ended = True
            return
        self._highest_mb = max(self._highest_mb, now_mb)
        self._stage_mb = max(self._stage_mb, now_mb)

    def __enter__(self) -> Self:
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        if raised[0] is None:
            self._end_mb = self._settled_mb()
        super().__exit__(*raised)

    def stage(self) -> tuple[float, float]:
        """Return MB above idle now, and the peak since the last call, to attribute them to a part of a
        run."""
        highest_mb, self._stage_mb = self._stage_mb, 0.0
        now_mb = processes.resident_mb(self._pid)
        return now_mb - self._rest_mb, max(highest_mb, now_mb) - self._rest_mb

    def figures(self, scenario: str) -> list[Figure]:
        """Return the figures, after the block; none for a process that ended meanwhile."""
        if self._ended:
            return []
        grown_mb, peak_mb = self._end_mb - self._rest_mb, self._highest_mb - self._rest_mb
        who = f"{self._who}: memory"
        return [
            Figure(scenario, f"{who} grown after the run", grown_mb, self._grown_mb, "MB"),
            Figure(scenario, f"{who} at its peak, above rest", peak_mb, self._peak_mb, "MB"),
        ]

    def _settled_mb(self) -> float:
        """Return the minimum within `SETTLE_S`."""
        least_mb, until_s = float("inf"), time.monotonic() + SETTLE_S
        while not self._ended and time.monotonic() < until_s:
            try:
                least_mb = min(least_mb, processes.resident_mb(self._pid))
            except OSError:
                self._ended = True
            if least_mb - self._rest_mb <= self._grown_mb / 2:
                break
            time.sleep(0.1)
        return least_mb
