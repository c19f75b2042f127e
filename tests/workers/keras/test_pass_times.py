"""Allowed prefill chunks, from the durations of past passes."""

from __future__ import annotations

import pytest

from codegemma_ui.workers.keras.pass_times import MOST_S, PASS_S, PassTimes
from codegemma_ui.workers.keras.planning import CHUNKS


@pytest.mark.parametrize(
    ("weight_bytes", "longest"),
    [(24_000_000, 512), (1_000_000_000, 32), (5_000_000_000, 8), (17_000_000_000, 8)],
)
def test_before_anything_is_measured_the_weights_decide(weight_bytes: int, longest: int) -> None:
    assert PassTimes(weight_bytes).longest() == longest


@pytest.mark.parametrize("a_token_s", [0.0001, 0.001, 0.01, 0.05])
@pytest.mark.parametrize("a_pass_s", [0.0, 0.1, 0.4, 2.0])
def test_it_settles_on_the_largest_chunk_that_keeps_the_time(
    a_token_s: float, a_pass_s: float
) -> None:
    def seconds(size: int) -> float:
        return a_pass_s + size * a_token_s

    times = PassTimes(5_000_000_000)
    taken = []
    for _ in range(60):
        taken.append(times.longest())
        times.add(taken[-1], seconds(taken[-1]))
    fitting = [size for size in CHUNKS if seconds(size) <= PASS_S]
    settled = max(fitting, default=CHUNKS[0])
    twice_as_fast = seconds(taken[-1]) / taken[-1] <= seconds(settled) / settled / 2
    most_s = MOST_S if twice_as_fast else PASS_S
    assert taken[-1] <= settled or seconds(taken[-1]) <= most_s
    if a_pass_s < 0.4:
        assert taken[-1] >= settled
    assert sum(seconds(size) > most_s for size in taken if size > CHUNKS[0]) <= 3


@pytest.mark.parametrize(
    ("seconds", "longest"),
    [
        ({8: 0.3, 32: 0.53}, 32),  # bfloat16 on torch, two cores: 200 tokens take half as long
        ({8: 0.3, 32: 0.7}, 8),  # a prefill would be 1.7 times as fast
        ({8: 0.4, 32: 0.9, 128: 1.0}, 8),  # too long, however fast
        ({8: 0.7, 32: 0.75}, 32),
        ({8: 0.1, 32: 0.4, 128: 0.75}, 128),
    ],
)
def test_a_longer_pass_is_taken_where_it_halves_a_prefill(
    seconds: dict[int, float], longest: int
) -> None:
    times = PassTimes(5_000_000_000)
    for size in reversed(seconds):
        times.add(size, seconds[size])
    assert times.longest() == longest


def test_a_machine_that_was_busy_for_a_while_gets_its_chunks_back() -> None:
    times = PassTimes(0)
    for size in CHUNKS:
        times.add(size, 0.004 * size)
    assert times.longest() == 32
    for _ in range(20):
        times.add(times.longest(), 0.0004 * times.longest())
    assert times.longest() == 512


def test_one_pass_that_was_held_up_changes_little() -> None:
    times = PassTimes(0)
    for size in CHUNKS:
        times.add(size, 0.0005 * size)
    times.add(512, 1.0)
    assert times.longest() == 512


@pytest.mark.parametrize(
    ("weight_bytes", "a_token_s", "held_up"),
    [(24_000_000, 0.02, ()), (5_000_000_000, 0.02, CHUNKS[2:]), (5_000_000_000, 0.0001, ())],
)
def test_what_would_hold_a_person_up_is_a_large_models_where_it_was_measured(
    weight_bytes: int, a_token_s: float, held_up: tuple[int, ...]
) -> None:
    times = PassTimes(weight_bytes)
    times.add(32, 32 * a_token_s)
    assert tuple(size for size in CHUNKS if times.too_slow_to_try(size)) == held_up
