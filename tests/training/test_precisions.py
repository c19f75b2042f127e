"""What narrower precisions cost, counted; and that they cost no more than is told."""

from __future__ import annotations

import math

import pytest

from training.precisions import Outcome, figures, perplexity


def outcome(task: str, middle: str, exact: bool, *logprobs: float) -> Outcome:
    return Outcome(task, middle, exact, logprobs)


def test_right_middles_and_equal_ones_are_counted_apart() -> None:
    reference = [outcome("1", "a", True), outcome("2", "b", False), outcome("3", "c", False)]
    results = [
        outcome("1", "a", True, -1.0, -2.0),
        outcome("2", "x", False, -3.0),
        outcome("3", "d", True, -2.0),
    ]
    assert figures(results, "jax", "int8", reference) == {
        "backend": "jax",
        "dtype": "int8",
        "exact": 2,
        "as_float32": 1,
        "perplexity": round(math.exp(2.0), 3),
    }


def test_each_token_counts_alike_in_the_perplexity() -> None:
    one, three = outcome("1", "", True, -4.0), outcome("2", "", True, 0.0, 0.0, 0.0)
    assert perplexity([one, three]) == pytest.approx(math.e)
