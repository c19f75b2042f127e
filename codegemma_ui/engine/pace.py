"""Seconds of a prefill pass by its size, learnt as passes run, and the largest chunk they allow. Pure."""

from __future__ import annotations

from codegemma_ui.engine.planning import CHUNKS, DISPATCH

PASS_S = 0.5
"""Seconds that a pass may take where a smaller one exists: a person who stops gets the engine after it."""

UNMEASURED_S = 1e-11
"""Seconds for a byte of weights and a token, before anything is measured: CodeGemma 2B in bfloat16, on two
cores."""


class Pace:
    """The seconds of a pass by its size.

    Args:
        weight_bytes: of the model, for a first guess.
    """

    def __init__(self, weight_bytes: int) -> None:
        self._weight_bytes = weight_bytes
        self._seconds: dict[int, float] = {}

    def add(self, size: int, seconds: float) -> None:
        """Take what a pass took that compiled nothing."""
        before = self._seconds.get(size)
        now = seconds if before is None else 0.8 * before + 0.2 * seconds
        self._seconds[size] = now
        # A larger one takes no longer than smaller ones that hold as many tokens, else it never ran again.
        for larger in self._seconds:
            if larger > size:
                self._seconds[larger] = min(self._seconds[larger], now * larger / size)

    def expected(self, size: int) -> float:
        """Seconds that a pass is expected to take."""
        if size in self._seconds:
            return self._seconds[size]
        if not self._seconds:
            return UNMEASURED_S * self._weight_bytes * size
        nearest = min(self._seconds, key=lambda known: (known > size, abs(known - size)))
        return self._seconds[nearest] * (size + DISPATCH) / (nearest + DISPATCH)

    def longest(self) -> int:
        """The largest chunk that is expected to take `PASS_S` at most; the smallest where none is."""
        fitting = [size for size in CHUNKS if self.expected(size) <= PASS_S]
        return max(fitting, default=CHUNKS[0])
