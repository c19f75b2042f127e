"""The measured cost of narrower precisions, which must not exceed the documented one."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from codegemma_ui.commands.evaluate import tasks
from training.precisions import Outcome, figures, outcomes, perplexity


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


@pytest.fixture(scope="module")
def reference() -> list[Outcome]:
    return measured("jax", "float32")


def measured(backend: str, dtype: str) -> list[Outcome]:
    """Return the bundled model's results on the first tasks of `training.precisions`, which are kept in a
    file beside this one.

    They are excerpts of packages under the Apache License 2.0, named by their ids.
    """
    file = Path(__file__).with_name("held_out_tasks.jsonl")
    return asyncio.run(outcomes(backend, dtype, tasks.read(file).tasks))


@pytest.mark.parametrize(
    ("backend", "dtype", "bound"),
    [("jax", "int8", 1.01), ("torch", "int8", 1.01), ("torch", "int4", 1.055)],
)
def test_narrow_weights_cost_no_more_than_is_told(
    reference: list[Outcome], backend: str, dtype: str, bound: float
) -> None:
    results = measured(backend, dtype)
    # With every matrix in four bits and scales of each group's whole range it is 1.14 times float32's.
    assert perplexity(results) < bound * perplexity(reference)
    exact, before = (sum(one.exact for one in some) for some in (results, reference))
    assert exact >= before - 2
    assert before >= 8  # there is something to lose
