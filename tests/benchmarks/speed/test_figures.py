"""Computation of figures from samples."""

from __future__ import annotations

import pytest

from benchmarks.speed.figures import Figures, figure, percentile
from benchmarks.speed.plan import Case
from benchmarks.speed.prompts import common_start
from benchmarks.speed.replay import Typed
from benchmarks.speed.runner import Bandwidth, Run
from benchmarks.speed.visit import Sample, Visit
from tests.benchmarks.speed.scripted_runs import BANDWIDTH, Measure, scripted

NO_STOPS: frozenset[int] = frozenset()


def test_a_figure_is_a_median_with_its_lowest_and_highest_round() -> None:
    made = figure([3.0, 1.0, None, 2.0, 10.0])
    assert made is not None
    assert (made.median, made.low, made.high, made.rounds) == (2.5, 1.0, 10.0, 4)
    assert figure([None, None]) is None


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.5
    assert percentile([float(value) for value in range(101)], 99) == 99.0
    assert percentile([], 50) is None


def test_a_row_has_what_the_script_took(measure: Measure) -> None:
    run = measure([scripted("steady")], rounds=2)
    (row,) = Figures(run, NO_STOPS).rows([scripted("steady")])
    assert row["rounds"] == 2
    assert row["error"] is None
    assert row["tokens_per_s"]["median"] == pytest.approx(100)
    assert row["first_token_cold_s"]["median"] == pytest.approx(0.6)
    assert {length: value["median"] for length, value in row["first_token_s"].items()} == {
        "24": pytest.approx(0.1),
        "40": pytest.approx(0.1),
    }
    assert {count: value["median"] for count, value in row["whole_s"].items()} == {
        "16": pytest.approx(0.25),
        "64": pytest.approx(0.73),
    }
    assert row["inter_token_p50_s"]["median"] == pytest.approx(0.01)
    assert row["inter_token_p99_s"]["median"] == pytest.approx(0.01)
    assert row["compile_s"]["median"] == pytest.approx(1.0 + 3 * 0.5)  # warm-up, three kinds
    assert row["peak_bytes"]["median"] == 123_000_000
    assert row["weight_bytes_per_s"]["median"] == pytest.approx(4e8)
    assert row["share_of_memory"]["median"] == pytest.approx(4e8 / 2e9)
    assert row["share_of_own_size"]["median"] == pytest.approx(4e8 / 8e9)


def test_the_bandwidth_of_a_size_is_that_of_the_nearest_array() -> None:
    assert BANDWIDTH.memory == 2e9
    assert BANDWIDTH.at(1_100_000) == 9e9
    assert BANDWIDTH.at(5_000_000) == 8e9
    assert BANDWIDTH.at(10**12) == 2e9


def test_tokens_are_held_against_the_first_float32_family(measure: Measure) -> None:
    ours = scripted("steady", "engine-jax-float32")
    half = scripted("other", "engine-jax-bfloat16")
    reference = scripted("steady", "kerashub-jax-float32", family="kerashub", streams=False)
    rows = Figures(measure([ours, half, reference]), NO_STOPS).rows([ours, half, reference])
    total = 3 * (16 + 16 + 64)
    name = "kerashub-jax-float32"
    assert rows[0]["same_tokens"] == {"same": total, "compared": total, "reference": name}
    assert rows[1]["same_tokens"] == {"same": 9 * 9, "compared": total, "reference": name}
    assert rows[2]["same_tokens"] == {"same": total, "compared": total, "reference": name}
    assert rows[2]["inter_token_p50_s"] is None  # it does not stream


def sample(token_ids: tuple[int, ...], **changes: object) -> Sample:
    arrivals = tuple(0.1 * (index + 1) for index in range(len(token_ids)))
    return Sample(Case(40, len(token_ids)), 1, arrivals, token_ids, **changes)  # type: ignore[arg-type]


FACTS = {"parameters": 1, "weight_bytes": 4, "warm_up_s": 0.0, "device": "CPU", "note": None}


def test_what_writes_no_stop_token_is_held_up_to_the_first_one() -> None:
    reference = Visit(scripted("", "kerashub-jax-float32"), facts=FACTS)
    reference.samples.append(sample((5, 6, 7, 1, 8)))
    other = Visit(scripted("", "llama.cpp-f32", writes_stops=False), facts=FACTS)
    other.samples.append(sample((5, 6, 7, 9, 9)))
    run = Run(visits=[[reference, other]], bandwidths=[None])
    subjects = [reference.subject, other.subject]
    held = [row["same_tokens"] for row in Figures(run, frozenset({1})).rows(subjects)]
    assert (held[0]["same"], held[0]["compared"]) == (5, 5)
    assert (held[1]["same"], held[1]["compared"]) == (3, 3)


def test_without_streaming_the_speed_leaves_out_what_reading_took() -> None:
    whole = sample((1, 2, 3, 4, 5), first_inside_s=0.1)
    assert whole.tokens_per_s == pytest.approx(4 / 0.4)


def test_drafted_tokens_say_nothing_of_the_memory() -> None:
    drafted = Visit(scripted("lookup", "transformers-lookup-float32"), facts=FACTS)
    drafted.samples.append(sample((1, 2, 3)))
    run = Run(visits=[[drafted]], bandwidths=[BANDWIDTH])
    (row,) = Figures(run, NO_STOPS).rows([drafted.subject])
    assert row["tokens_per_s"]["median"] == pytest.approx(10)
    assert row["weight_bytes_per_s"] is None
    assert row["share_of_memory"] is None


def test_a_subject_that_never_was_ready_is_a_row_with_its_error() -> None:
    broken = Visit(scripted("", "engine-jax-float32"), error="no weights")
    (row,) = Figures(Run([[broken]], [None]), NO_STOPS).rows([broken.subject])
    assert row["error"] == "no weights"
    assert "tokens_per_s" not in row


def test_shares_belong_to_their_own_round() -> None:
    visits: list[list[Visit]] = []
    bandwidths: list[Bandwidth | None] = []
    for speed in (1.0, 2.0):
        visit = Visit(scripted("", "engine-jax-float32"), facts=FACTS | {"weight_bytes": 100})
        arrivals = (0.0, 1.0 / speed, 2.0 / speed)
        visit.samples.append(Sample(Case(40, 3), 1, arrivals, (1, 2, 3)))
        visits.append([visit])
        bandwidths.append(Bandwidth("read", ((10**9, 200.0 * speed),)))
    (row,) = Figures(Run(visits, bandwidths), NO_STOPS).rows([visits[0][0].subject])
    share = row["share_of_memory"]
    assert (share["low"], share["high"]) == (pytest.approx(0.5), pytest.approx(0.5))


def test_typing_counts_what_was_there_before_the_next_key() -> None:
    visit = Visit(scripted("", "worker-jax", family="worker"), facts=FACTS)
    visit.typed = [
        Typed("spm", seconds, tokens=16, rest_s=0.14) for seconds in (0.05, 0.1, 0.14, 0.3)
    ]
    (found,) = Figures(Run([[visit]], [None]), NO_STOPS).typing()
    assert found["median_s"]["median"] == pytest.approx(0.12)
    assert found["before_next_key"] == 0.75
    assert found["keystrokes"] == 4


def test_a_common_start() -> None:
    assert common_start((1, 2, 3), (1, 2, 4)) == 2
    assert common_start((1, 2), (1, 2, 3)) == 2
    assert common_start((), (1,)) == 0
