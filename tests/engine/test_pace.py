"""Which chunks a prefill may take, by what passes took."""

from __future__ import annotations

import pytest

from codegemma_ui.engine.pace import PASS_S, Pace
from codegemma_ui.engine.planning import CHUNKS


@pytest.mark.parametrize(
    ("weight_bytes", "longest"),
    [(24_000_000, 512), (1_000_000_000, 32), (5_000_000_000, 8), (17_000_000_000, 8)],
)
def test_before_anything_is_measured_the_weights_decide(weight_bytes: int, longest: int) -> None:
    assert Pace(weight_bytes).longest() == longest


@pytest.mark.parametrize("a_token_s", [0.0001, 0.001, 0.01, 0.05])
@pytest.mark.parametrize("a_pass_s", [0.0, 0.1, 0.4, 2.0])
def test_it_settles_on_the_largest_chunk_that_keeps_the_time(
    a_token_s: float, a_pass_s: float
) -> None:
    def seconds(size: int) -> float:
        return a_pass_s + size * a_token_s

    pace = Pace(5_000_000_000)
    taken = []
    for _ in range(60):
        taken.append(pace.longest())
        pace.add(taken[-1], seconds(taken[-1]))
    fitting = [size for size in CHUNKS if seconds(size) <= PASS_S]
    settled = max(fitting, default=CHUNKS[0])
    assert taken[-1] <= settled
    assert sum(seconds(size) > PASS_S for size in taken if size > CHUNKS[0]) <= 3
    if a_pass_s < 0.4:
        assert taken[-1] == settled


def test_a_machine_that_was_busy_for_a_while_gets_its_chunks_back() -> None:
    pace = Pace(0)
    for size in CHUNKS:
        pace.add(size, 0.004 * size)
    assert pace.longest() == 32
    for _ in range(20):
        pace.add(pace.longest(), 0.0004 * pace.longest())
    assert pace.longest() == 512


def test_one_pass_that_was_held_up_changes_little() -> None:
    pace = Pace(0)
    for size in CHUNKS:
        pace.add(size, 0.0005 * size)
    pace.add(512, 1.0)
    assert pace.longest() == 512


@pytest.mark.parametrize(
    ("weight_bytes", "a_token_s", "held_up"),
    [(24_000_000, 0.02, ()), (5_000_000_000, 0.02, CHUNKS[2:]), (5_000_000_000, 0.0001, ())],
)
def test_what_would_hold_a_person_up_is_a_large_models_where_it_was_measured(
    weight_bytes: int, a_token_s: float, held_up: tuple[int, ...]
) -> None:
    pace = Pace(weight_bytes)
    pace.add(32, 32 * a_token_s)
    assert tuple(size for size in CHUNKS if pace.holds_up(size)) == held_up
