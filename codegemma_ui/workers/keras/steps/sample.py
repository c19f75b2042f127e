"""Draw a token from logits, in `keras.ops`: temperature, then top-k, then top-p.

Nothing is sorted: XLA takes 3 ms to sort 8,192 logits on a CPU, longer than the model takes for the token.
Whoever is kept is whatever reaches a threshold, and a threshold is found by halving, with one pass over the
logits a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from codegemma_ui.workers.keras.steps import SamplingParams

HALVINGS = 32
"""Of an interval of float32 numbers: what is left is as fine as they are."""

LEAST = -1000.0
"""Logits this far below the best are alike: nothing draws what is e^-1000 times as likely."""


def sample(scores: Any, params: SamplingParams, number: Any) -> tuple[Any, Any]:
    """Draw one token.

    Args:
        scores: float32 logits, `(vocabulary_size,)`.
        params: how; its temperature is above 0.
        number: which of its numbers decides, int32 scalar.

    Returns:
        The token's id, int32, and its logprob before temperature, top-k and top-p, float32, both `(1,)`.
        Tokens exactly as likely as the last one that top-k or top-p keeps are kept too.
    """
    size = scores.shape[0]
    below = scores - ops.max(scores)
    weights = ops.exp(below / params.temperature)  # the largest is 1

    # 1. The lowest logit that is kept, relative to the best.
    low, high = ops.maximum(ops.min(below), LEAST), ops.zeros_like(below[0])
    count = ops.where(params.top_k > 0, params.top_k, size)
    lowest = _last(lambda one: ops.sum(ops.cast(below >= one, "int32")) >= count, low, high)
    left = ops.where(below >= lowest, weights, 0.0)
    goal = params.top_p * ops.sum(left)
    lowest = _last(lambda one: ops.sum(ops.where(below >= one, left, 0.0)) > goal, lowest, high)
    kept = ops.where(below >= lowest, left, 0.0)

    # 2. The token at which the running sum passes the number's share of the whole.
    places = ops.arange(size, dtype="int32")
    total = ops.sum(kept)
    goal = ops.take(params.numbers, number) * total

    def is_before(place: Any) -> Any:
        before = ops.sum(ops.where(places < place, kept, 0.0))
        return ops.logical_and(before <= goal, before < total)

    zero = ops.zeros_like(places[0])
    token = _last(is_before, zero, zero + size, size.bit_length(), half=lambda whole: whole // 2)
    logprob = ops.take(below, token) - ops.log(ops.sum(ops.exp(below)))
    return ops.reshape(token, (1,)), ops.reshape(logprob, (1,))


def _last(
    holds: Callable[[Any], Any],
    low: Any,
    high: Any,
    halvings: int = HALVINGS,
    half: Callable[[Any], Any] = lambda whole: whole / 2,
) -> Any:
    """The last number from `low` on and before `high` of which something holds that ends to hold between.

    It is not asked of `low`, which is the answer where it holds of none after it.
    """

    def halve(_: Any, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = bounds
        middle = half(low + high)
        found = holds(middle)
        return ops.where(found, middle, low), ops.where(found, high, middle)

    return ops.fori_loop(0, halvings, halve, (low, high))[0]
