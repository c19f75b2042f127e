"""Speed of recent requests, and estimates from it for running and waiting ones. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

RECENT = 20
"""Number of ended requests used for estimates."""

LEAST_TOKENS = 3
"""Fewer tokens give no speed: the time between two is due to the pipe as much as to the model."""


@dataclass(eq=False)
class Measured:
    """Measurements of one request; times in seconds of one clock.

    Attributes:
        begun_s: when it was sent to the worker.
        limit_s: its time limit.
        score: whether it only scores forced tokens.
        room: maximum number of tokens to generate, once its prompt is known.
        tokens: tokens generated so far, without forced ones.
        first_s, last_s: when the first and the latest of them arrived.
    """

    begun_s: float
    limit_s: float
    score: bool = False
    room: int | None = None
    tokens: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def add_token(self, now_s: float) -> None:
        """Count a generated token."""
        self.first_s = self.first_s if self.tokens else now_s
        self.last_s = now_s
        self.tokens += 1

    def speed(self) -> float | None:
        """Return tokens per second; None while unknown."""
        if self.tokens < LEAST_TOKENS or self.last_s <= self.first_s:
            return None
        return (self.tokens - 1) / (self.last_s - self.first_s)


class Pace:
    """The last few requests that generated tokens."""

    def __init__(self) -> None:
        self._recent: deque[Measured] = deque(maxlen=RECENT)

    def add(self, ended: Measured) -> None:
        """Add a request that has ended."""
        if ended.tokens and not ended.score:
            self._recent.append(ended)

    def forget(self) -> None:
        """Start over, since another model runs."""
        self._recent.clear()

    def speed(self) -> float | None:
        """Return tokens per second of the latest request that was long enough."""
        speeds = (one.speed() for one in reversed(self._recent))
        return next((one for one in speeds if one is not None), None)

    def left_s(self, running: Measured, now_s: float) -> float | None:
        """Return about how many seconds a running request still takes; None if unknown.

        It is expected to become as long as recent requests that were longer than it is now, else to fill its
        room; never beyond its time limit.
        """
        speed = running.speed() or self.speed()
        longer = [one.tokens for one in self._recent if one.tokens > running.tokens]
        expected = sum(longer) / len(longer) if longer else running.room
        if speed is None or expected is None:
            return None
        if running.room is not None:
            expected = min(expected, running.room)
        seconds = (expected - running.tokens) / speed
        if running.tokens:
            seconds -= now_s - running.last_s
        elif self._recent:
            prefill_s = sum(one.first_s - one.begun_s for one in self._recent) / len(self._recent)
            seconds += max(0.0, prefill_s - (now_s - running.begun_s))
        return max(0.0, min(seconds, running.begun_s + running.limit_s - now_s))

    def wait_s(self, running: Sequence[Measured], ahead: int, now_s: float) -> float | None:
        """Return about how many seconds until so many requests have ended, running ones first."""
        lefts = [self.left_s(one, now_s) for one in running]
        known = [one for one in lefts if one is not None]
        if not known or len(known) < len(lefts) or ahead < 1:
            return None
        if self._recent:
            each_s = sum(one.last_s - one.begun_s for one in self._recent) / len(self._recent)
        else:
            each_s = max(
                now_s - one.begun_s + left for one, left in zip(running, known, strict=True)
            )
        heapq.heapify(known)
        free_s = 0.0
        for _ in range(ahead):
            free_s = heapq.heapreplace(known, known[0] + each_s) if known else 0.0
        return free_s


def most_left_s(
    room_left: int, speed: float | None, limit_left_s: float | None = None
) -> float | None:
    """Return the most seconds a request can still take at a speed in tokens per second; None if unknown."""
    if speed is None or speed <= 0:
        return None
    seconds = room_left / speed
    return seconds if limit_left_s is None else max(0.0, min(seconds, limit_left_s))
