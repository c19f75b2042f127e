"""Greedy tokens of the same prompts from two engines, compared. Pure.

The sums of two devices differ in their last bits. Where two tokens are about equally likely, that decides
which is chosen, and everything after it differs. So only what precedes the first difference is compared, and
the figures say by how much each engine preferred its own token there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FLOAT32_TOLERANCE = 1e-3
"""Nats between two engines in float32: the sums of a few layers in another order."""

CLOSE_TOLERANCE = 0.05
"""Nats between two engines of which one may multiply in TF32, which has 10 bits where float32 has 23."""

HALF_TOLERANCE = 0.5
"""Nats at the first position between float32 and half precision."""

HALF_ALIKE = 0.8
"""Share of prompts whose first token is the same in float32 and in half precision."""


@dataclass(frozen=True)
class Token:
    """A greedy token.

    Attributes:
        logprob: in nats.
        likeliest: logprob in nats by id, of the five likeliest tokens.
    """

    id: int
    logprob: float
    likeliest: dict[int, float]


@dataclass(frozen=True)
class Compared:
    """What a comparison has found.

    Attributes:
        prompts: number of prompts.
        equal: prompts with the same tokens.
        tokens: number of tokens compared: all up to and including the first difference of each prompt.
        difference_nats: greatest difference of the logprobs of a token that both chose.
        preference_nats: the greatest lead that either engine gave its own token over the other's where they
            first differ; infinite if the other's is not among its likeliest, or one ended earlier; 0 if they
            never differ.
        first_equal: prompts with the same first token.
        first_difference_nats: greatest difference, at the first position, of the logprobs of the token that
            the reference chose; infinite if it is not among the other's likeliest.
        finite: whether every logprob of the other engine is.
    """

    prompts: int
    equal: int
    tokens: int
    difference_nats: float
    preference_nats: float
    first_equal: int
    first_difference_nats: float
    finite: bool

    @property
    def same(self) -> bool:
        """Return whether both compute the same in float32: they differ at ties only, if at all."""
        return self._within(FLOAT32_TOLERANCE)

    @property
    def close(self) -> bool:
        """Return whether nothing but rounding is between them, TF32's included."""
        return self._within(CLOSE_TOLERANCE)

    def _within(self, nats: float) -> bool:
        return (
            self.finite
            and self.prompts > 0
            and self.difference_nats <= nats
            and self.preference_nats <= nats
        )

    @property
    def alike(self) -> bool:
        """Return whether the other one is plausible as the reference in half precision."""
        return (
            self.finite
            and self.prompts > 0
            and self.first_equal >= HALF_ALIKE * self.prompts
            and self.first_difference_nats <= HALF_TOLERANCE
        )


def compare(reference: Sequence[Sequence[Token]], other: Sequence[Sequence[Token]]) -> Compared:
    """Compare the tokens of the same prompts.

    Args:
        reference: tokens of each prompt.
        other: tokens of each prompt, in the same order.

    Raises:
        ValueError: different numbers of prompts.
    """
    if len(reference) != len(other):
        raise ValueError(
            f"Both should have the same prompts. Received: {len(reference)} and {len(other)}"
        )
    pairs = list(zip(reference, other, strict=True))
    firsts = [(one[0], two[0]) for one, two in pairs if one and two]
    return Compared(
        prompts=len(pairs),
        equal=sum(_ids(one) == _ids(two) for one, two in pairs),
        tokens=sum(min(_shared(one, two) + 1, len(one)) for one, two in pairs),
        difference_nats=max((_difference(one, two) for one, two in pairs), default=0.0),
        preference_nats=max((_preference(one, two) for one, two in pairs), default=0.0),
        first_equal=sum(one.id == two.id for one, two in firsts)
        + sum(not one and not two for one, two in pairs),
        first_difference_nats=max(
            (_apart(one.logprob, two.likeliest.get(one.id)) for one, two in firsts),
            default=0.0,
        ),
        finite=all(math.isfinite(token.logprob) for two in other for token in two),
    )


def _ids(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens]


def _shared(one: Sequence[Token], two: Sequence[Token]) -> int:
    """Return how many tokens both begin with."""
    pairs = zip(one, two, strict=False)
    return next(
        (place for place, (left, right) in enumerate(pairs) if left.id != right.id),
        min(len(one), len(two)),
    )


def _difference(one: Sequence[Token], two: Sequence[Token]) -> float:
    shared = _shared(one, two)
    pairs = zip(one[:shared], two[:shared], strict=True)
    return max((_apart(left.logprob, right.logprob) for left, right in pairs), default=0.0)


def _preference(one: Sequence[Token], two: Sequence[Token]) -> float:
    place = _shared(one, two)
    if place == len(one) == len(two):
        return 0.0
    if place in (len(one), len(two)):
        return math.inf
    left, right = one[place], two[place]
    return max(
        _lead(left.logprob, left.likeliest.get(right.id)),
        _lead(right.logprob, right.likeliest.get(left.id)),
    )


def _lead(own: float, others: float | None) -> float:
    return math.inf if others is None or not math.isfinite(own - others) else own - others


def _apart(one: float, two: float | None) -> float:
    return math.inf if two is None or not math.isfinite(one - two) else abs(one - two)
