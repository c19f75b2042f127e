"""Measured durations of prefill passes by size, and the largest chunk they allow. Pure."""

from __future__ import annotations

from codegemma_ui.workers.keras.planning import CHUNKS, DISPATCH

PASS_S = 0.5
"""Maximum seconds for a pass, or a part of one, if a smaller one exists: a cancelled request holds the engine
until it ends."""

MOST_S = 0.8
"""Maximum seconds if a shorter pass would make prefill twice as long: reading and dequantising the weights
takes its time however few tokens there are."""

LONGEST_TRY_S = 1.0
"""Maximum expected seconds of a warm-up pass; twice that of prefill, since the machine may be busier than
usual."""

UNMEASURED_S = 1e-11
"""Seconds per byte of weights and token before any measurement: CodeGemma 2B in bfloat16 on two cores."""


class PassTimes:
    """Durations of passes by size.

    Args:
        weight_bytes: size of the model's weights, for the first estimate.
        parts: number of parts of a pass, between which it can be abandoned.
    """

    def __init__(self, weight_bytes: int, parts: int = 1) -> None:
        self._weight_bytes, self._parts = weight_bytes, parts
        self._seconds: dict[int, float] = {}

    def add(self, size: int, seconds: float) -> None:
        """Record the duration of a pass that compiled nothing."""
        before = self._seconds.get(size)
        now = seconds if before is None else 0.8 * before + 0.2 * seconds
        self._seconds[size] = now
        # A larger pass takes no longer than smaller ones with as many tokens, or it would never run again.
        for larger in self._seconds:
            if larger > size:
                self._seconds[larger] = min(self._seconds[larger], now * larger / size)

    def unknown(self, size: int) -> bool:
        """Return whether this size has not been measured."""
        return size not in self._seconds

    def expected(self, size: int) -> float:
        """Return the expected seconds of a pass."""
        if size in self._seconds:
            return self._seconds[size]
        if not self._seconds:
            return self._guess(size)
        nearest = min(self._seconds, key=lambda known: (known > size, abs(known - size)))
        return self._seconds[nearest] * (size + DISPATCH) / (nearest + DISPATCH)

    def too_slow_to_try(self, size: int) -> bool:
        """Return whether trying a pass, or a part of it, would take longer than `LONGEST_TRY_S`.

        Based on the lower of measurement and estimate: a small model's passes are tried however busy the
        machine is.
        """
        return self._part(min(self.expected(size), self._guess(size))) > LONGEST_TRY_S

    def _part(self, seconds: float) -> float:
        return seconds / self._parts

    def _guess(self, size: int) -> float:
        return UNMEASURED_S * self._weight_bytes * size

    def longest(self) -> int:
        """Return the largest chunk whose parts are expected to take at most `PASS_S`, or the smallest chunk.

        A larger one whose parts take at most `MOST_S` is preferred if it halves the time per token.
        """
        fitting = [size for size in CHUNKS if self._part(self.expected(size)) <= PASS_S]
        longest = max(fitting, default=CHUNKS[0])
        half = self.expected(longest) / longest / 2
        faster = [
            size
            for size in CHUNKS
            if size > longest
            and self._part(self.expected(size)) <= MOST_S
            and self.expected(size) <= half * size
        ]
        return max(faster, default=longest)
