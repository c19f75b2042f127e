"""Seconds of a prefill pass by its size, learnt as passes run, and the largest chunk they allow. Pure."""

from __future__ import annotations

from codegemma_ui.workers.keras.planning import CHUNKS, DISPATCH

PASS_S = 0.5
"""Seconds that a pass, or a part of it, may take where a smaller one exists: a person who stops gets the
engine after it."""

MOST_S = 0.8
"""Seconds that it may take where a shorter one would make a prefill twice as long: weights that are read, and
dequantised, take their time however few tokens there are."""

LONGEST_TRY_S = 1.0
"""Seconds that a pass of the warm-up may be expected to take; twice what a prefill's may, since the machine
may be busier than usual."""

UNMEASURED_S = 1e-11
"""Seconds for a byte of weights and a token, before anything is measured: CodeGemma 2B in bfloat16, on two
cores."""


class Pace:
    """The seconds of a pass by its size.

    Args:
        weight_bytes: of the model, for a first guess.
        parts: of a pass, between which it can be given up.
    """

    def __init__(self, weight_bytes: int, parts: int = 1) -> None:
        self._weight_bytes, self._parts = weight_bytes, parts
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

    def unknown(self, size: int) -> bool:
        """Whether no pass of the size has been measured."""
        return size not in self._seconds

    def expected(self, size: int) -> float:
        """Seconds that a pass is expected to take."""
        if size in self._seconds:
            return self._seconds[size]
        if not self._seconds:
            return self._guess(size)
        nearest = min(self._seconds, key=lambda known: (known > size, abs(known - size)))
        return self._seconds[nearest] * (size + DISPATCH) / (nearest + DISPATCH)

    def holds_up(self, size: int) -> bool:
        """Whether trying a pass would take longer than `LONGEST_TRY_S`, or a part of it would.

        By what was measured and by the weights: a small model's are tried however busy the machine is.
        """
        return self._part(min(self.expected(size), self._guess(size))) > LONGEST_TRY_S

    def _part(self, seconds: float) -> float:
        return seconds / self._parts

    def _guess(self, size: int) -> float:
        return UNMEASURED_S * self._weight_bytes * size

    def longest(self) -> int:
        """The largest chunk whose parts are expected to take `PASS_S` at most; the smallest where none's are.

        Where one whose parts take `MOST_S` at most reads a token in half the time, it is that one.
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
