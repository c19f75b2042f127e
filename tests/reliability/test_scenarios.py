"""The scenarios with small counts and slack for a busy machine; `python -m tools.reliability` is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tools.reliability import crashing, crowding, leaving, memory, sharing, soak, stopping
from tools.reliability.figures import Figure, held
from tools.reliability.served import REAL, SCRIPTED, Served, serving

SLACK = 6.0
"""A promised time may take so many times as long here."""


@pytest.fixture(scope="module")
def scripted() -> Iterator[Served]:
    with serving(SCRIPTED) as served:
        served.wait_until_ready()
        yield served


@pytest.fixture(scope="module")
def real() -> Iterator[Served]:
    with serving(REAL) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        yield served


@pytest.fixture(params=[SCRIPTED, REAL])
def served(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue(request.param)


@pytest.fixture
def engine(served: Served, scripted: Served) -> str:
    return SCRIPTED if served is scripted else REAL


def assert_held(figures: list[Figure]) -> None:
    assert held(figures, SLACK) == []


def test_a_stop_at_any_moment_shows_nothing_stale(served: Served, engine: str) -> None:
    assert_held(asyncio.run(stopping.random_phases(served, engine, 8)))


@pytest.mark.parametrize("engine", [SCRIPTED, REAL])
def test_a_stop_while_loading_and_what_the_next_request_waits_for(engine: str) -> None:
    with serving(engine, worker=("--load-s", "6") if engine == SCRIPTED else ()) as served:
        assert_held(asyncio.run(stopping.while_loading(served, engine)))


def test_a_stop_in_a_dispatch_that_hears_nothing(scripted: Served) -> None:
    assert_held(asyncio.run(stopping.while_deaf(scripted)))


def test_a_closed_connection_frees_the_worker(served: Served, engine: str) -> None:
    assert_held(asyncio.run(leaving.tabs_closed(served, engine, 6)))


def test_a_caller_who_never_listens_meets_the_time_limit() -> None:
    with serving(SCRIPTED, "--time-limit", str(leaving.TIME_LIMIT_S)) as served:
        served.wait_until_ready()
        assert_held(asyncio.run(leaving.never_listens(served, SCRIPTED)))
        assert_held(asyncio.run(leaving.keeps_what_came(served)))


def test_one_generation_at_a_time_whichever_door(served: Served, engine: str) -> None:
    assert_held(asyncio.run(sharing.start_and_stop(served, engine, 24)))


def test_switches_leave_one_worker_and_nothing_behind(scripted: Served) -> None:
    assert_held(asyncio.run(sharing.switches(scripted, SCRIPTED, 6)))


def test_a_switch_waits_for_who_came_before(scripted: Served) -> None:
    assert_held(asyncio.run(sharing.a_switch_waits(scripted)))


@pytest.mark.parametrize("phase", ["starting", "loading"])
def test_a_worker_killed_while_it_comes_up_comes_up_again(phase: str) -> None:
    assert_held(crashing.while_coming_up(SCRIPTED, phase))


@pytest.mark.parametrize("engine", [SCRIPTED, REAL])
def test_a_worker_killed_at_work_is_told_of_and_the_next_answer_is_exact(engine: str) -> None:
    with serving(engine) as served:
        served.wait_until_ready()
        assert_held(asyncio.run(crashing.while_serving(served, engine, 2)))


def test_three_crashes_within_a_minute_are_enough() -> None:
    with serving(SCRIPTED) as served:
        served.wait_until_ready()
        assert_held(asyncio.run(crashing.three_within_a_minute(served)))


@pytest.mark.parametrize(("engine", "count"), [(SCRIPTED, 4), (REAL, 2)])
def test_no_worker_outlives_its_page(engine: str, count: int) -> None:
    assert_held(crashing.orphans(engine, count))


def test_too_many_are_refused_and_the_page_answers() -> None:
    assert_held(crowding.measure(SCRIPTED, 40))


@pytest.mark.parametrize(
    "scenario", [lambda: memory.measure(SCRIPTED), lambda: memory.under_a_limit("jax")]
)
def test_too_little_memory_is_told(scenario: Callable[[], list[Figure]]) -> None:
    assert_held(scenario())


@pytest.mark.timeout(300)
def test_a_minute_of_everything() -> None:
    counts, figures = soak.soak(REAL, 60, 15)
    assert counts["completed"] > 20
    assert counts["switches"] >= 1
    assert held(figures) == []
