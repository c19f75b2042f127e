"""Prompt lookup: draft the next tokens from the text so far, since code repeats itself. Pure.

If the last few tokens occurred before, the tokens that followed them are the draft. The model verifies it in
one pass and keeps the tokens it would have chosen itself; a wrong draft costs that pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegemma_ui.workers.keras.steps import BURST

LONGEST, SHORTEST = 6, 4
"""Tokens at the end that must have occurred before, tried from the longest."""

CREDIT = 1.0
"""Time that drafts may lose before they are paused, in tokens."""


class Draft:
    """The tokens of one generation, with the last position of every short run.

    Args:
        token_ids: prompt.
        width: maximum draft length.
    """

    def __init__(self, token_ids: Sequence[int], width: int) -> None:
        self._tokens: list[int] = []
        self._width = width
        self._ends: dict[tuple[int, ...], int] = {}
        self.extend(token_ids)

    def extend(self, token_ids: Sequence[int]) -> None:
        """Append generated tokens."""
        for token in token_ids:
            # A run is indexed once a token follows it, so the last run finds an earlier one, not itself.
            end = len(self._tokens)
            for count in range(SHORTEST, min(LONGEST, end) + 1):
                self._ends[tuple(self._tokens[end - count :])] = end
            self._tokens.append(token)

    def guess(self) -> list[int]:
        """Return a draft, or an empty list if the last tokens have not occurred before."""
        end = len(self._tokens)
        for count in range(min(LONGEST, end), SHORTEST - 1, -1):
            place = self._ends.get(tuple(self._tokens[end - count :]))
            if place is not None:
                guess = self._tokens[place : place + self._width]
                while len(guess) < self._width:  # continue the cycle
                    guess.append(guess[len(guess) - (end - place)])
                return guess
        return []


SHORT_BURST = 4
"""Tokens decoded between two draft attempts after a successful one. Otherwise a whole `BURST`, since each
attempt costs a dispatch."""

MIN_GAIN = 1.5
"""Minimum gain of a fully accepted draft, as a multiple of its verification cost."""


class DraftBudget:
    """Decide by measured time whether drafts are worth it.

    Gains and losses are in tokens decoded one by one. Once drafts have lost more than `CREDIT`, they are
    paused, for longer each time it happens in a generation.

    Args:
        cost: known cost of a verification, in tokens decoded one by one.

    Attributes:
        burst: tokens to decode before the next draft attempt.
    """

    def __init__(self, cost: float) -> None:
        self._cost = cost
        self._balance = CREDIT
        self._wait = self._waits = 0
        self.burst = BURST

    def worth_it(self, guessed: int) -> bool:
        """Return whether to verify a draft of `guessed` tokens now."""
        return self._wait <= 0 and 1 + guessed >= MIN_GAIN * self._cost

    def wrote(self, tokens: int) -> None:
        """Record tokens that were decoded one by one."""
        self._wait -= tokens

    def verified(self, gained: int, cost: float) -> None:
        """Record a verification that gained `gained` tokens and took the time of `cost`."""
        self.burst = SHORT_BURST if gained > cost else BURST
        self._balance = min(self._balance + gained - cost, 4 * CREDIT)
        if self._balance < 0:
            self._waits += 1
            self._wait = 8 << self._waits
            self._balance = 0.0
