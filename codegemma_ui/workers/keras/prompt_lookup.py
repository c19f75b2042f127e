"""Guess the next tokens from those already there: code repeats itself. Pure.

Where the last few tokens stood before, what followed them then is the draft. The model checks it in one pass,
and keeps what it would have written itself; a wrong guess costs that pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegemma_ui.workers.keras.steps import BURST

LONGEST, SHORTEST = 6, 4
"""Tokens at the end that must have stood before, tried from the longest."""

CREDIT = 1.0
"""Tokens' worth of time that drafts may lose before they wait."""


class Draft:
    """The tokens of one generation, and where every short run of them stood last.

    Args:
        token_ids: the prompt.
        width: the most tokens of a draft.
    """

    def __init__(self, token_ids: Sequence[int], width: int) -> None:
        self._tokens: list[int] = []
        self._width = width
        self._ends: dict[tuple[int, ...], int] = {}
        self.extend(token_ids)

    def extend(self, token_ids: Sequence[int]) -> None:
        """Add what came."""
        for token in token_ids:
            # A run is entered when a token follows it: the last one finds an earlier place, not itself.
            end = len(self._tokens)
            for count in range(SHORTEST, min(LONGEST, end) + 1):
                self._ends[tuple(self._tokens[end - count :])] = end
            self._tokens.append(token)

    def guess(self) -> list[int]:
        """What may come next; empty where nothing like the end stood before."""
        end = len(self._tokens)
        for count in range(min(LONGEST, end), SHORTEST - 1, -1):
            place = self._ends.get(tuple(self._tokens[end - count :]))
            if place is not None:
                guess = self._tokens[place : place + self._width]
                while len(guess) < self._width:  # what repeats itself goes on doing so
                    guess.append(guess[len(guess) - (end - place)])
                return guess
        return []


SHORT_BURST = 4
"""Tokens written one by one between two looks for a draft, after one that paid. Otherwise a whole `BURST`: a
look costs a dispatch."""

PROMISE = 1.5
"""What a draft must bring if all of it is right, in times of what its check takes."""


class DraftBudget:
    """Whether drafts are worth it, by the clock.

    Gains and losses are in tokens written one by one. Drafts that lose more than `CREDIT` have to wait, ever
    longer the more often that happens in a generation.

    Args:
        cost: what a check is known to take, in tokens written one by one.

    Attributes:
        burst: how many tokens to write before the next look for a draft.
    """

    def __init__(self, cost: float) -> None:
        self._cost = cost
        self._balance = CREDIT
        self._wait = self._waits = 0
        self.burst = BURST

    def worth_it(self, guessed: int) -> bool:
        """Whether to check a draft of some tokens now."""
        return self._wait <= 0 and 1 + guessed >= PROMISE * self._cost

    def wrote(self, tokens: int) -> None:
        """Some tokens came one by one."""
        self._wait -= tokens

    def verified(self, gained: int, cost: float) -> None:
        """A check gave `gained` tokens and took the time of `cost`."""
        self.burst = SHORT_BURST if gained > cost else BURST
        self._balance = min(self._balance + gained - cost, 4 * CREDIT)
        if self._balance < 0:
            self._waits += 1
            self._wait = 8 << self._waits
            self._balance = 0.0
