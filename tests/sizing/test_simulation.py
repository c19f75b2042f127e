"""The simulation against exact results of queueing theory."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from benchmarks.sizing.simulation import Engine, Outcome, percentile, run

REQUESTS = 40_000


def exponential(mean: float):
    return lambda chance: chance.expovariate(1 / mean)


def waits(outcome: Outcome) -> float:
    return fmean(one.wait for one in outcome.served)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_at_a_time_waits_as_m_m_1_says(load: float) -> None:
    """Mean wait of M/M/1: load / (1 - load) services."""
    between = exponential(1 / load)
    requests = REQUESTS * (4 if load == 0.8 else 1)  # a long queue forgets slowly
    outcome = run(Engine(), 1, exponential(1.0), requests=requests, seed=1, between=between)
    assert waits(outcome) == pytest.approx(load / (1 - load), rel=0.08)
    assert outcome.busy == pytest.approx(load, rel=0.03)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_equal_services_wait_half_as_long_as_m_d_1_says(load: float) -> None:
    """Mean wait of M/D/1: load / (2 (1 - load)) services (Pollaczek and Khinchine)."""
    between = exponential(1 / load)
    outcome = run(Engine(), 1, lambda _: 1.0, requests=REQUESTS, seed=2, between=between)
    assert waits(outcome) == pytest.approx(load / 2 / (1 - load), rel=0.08)


def test_a_wait_of_m_m_1_is_exponential_beyond_zero() -> None:
    """P(wait > t) = load e^(-(1 - load) t), so the 95th percentile of load 0.8 is ln(16) / 0.2."""
    outcome = run(
        Engine(), 1, exponential(1.0), requests=REQUESTS, seed=3, between=exponential(1.25)
    )
    found = percentile([one.wait for one in outcome.served], 0.95)
    assert found == pytest.approx(math.log(16) / 0.2, rel=0.1)


@pytest.mark.parametrize(("visitors", "think"), [(5, 4.0), (12, 10.0), (30, 10.0)])
def test_visitors_who_think_wait_as_the_closed_queue_says(visitors: int, think: float) -> None:
    """M/M/1//N, the machine repairman: exact probabilities, and Little's law for the time to the answer."""
    weights = [math.perm(visitors, n) * think**-n for n in range(visitors + 1)]
    answered = 1 - weights[0] / sum(weights)  # a second, at 1 s each
    outcome = run(
        Engine(),
        1,
        exponential(1.0),
        requests=REQUESTS,
        seed=4,
        visitors=visitors,
        think=exponential(think),
    )
    assert outcome.busy == pytest.approx(answered, rel=0.03)
    whole = fmean(one.whole for one in outcome.served)
    assert whole == pytest.approx(visitors / answered - think, rel=0.05)


def test_sharing_one_speed_takes_as_long_as_taking_turns_on_average() -> None:
    """M/M/1 with processor sharing has the mean time of first come, first served, and no wait in the
    queue."""
    shared = Engine(together=10**6, gain=1.0)
    outcome = run(
        shared, 1, exponential(1.0), requests=REQUESTS, seed=5, between=exponential(1 / 0.6)
    )
    assert fmean(one.whole for one in outcome.served) == pytest.approx(1 / 0.4, rel=0.08)
    assert max(one.wait for one in outcome.served) == 0


def test_a_batch_that_gains_serves_more() -> None:
    """A batch of four with full gain equals four engines: M/M/4, with the mean wait given by Erlang C."""
    load, servers = 3.2, 4
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    expected = last / (sum(terms) + last) / (servers - load)
    outcome = run(
        Engine(together=4, gain=4.0),
        1,
        exponential(1.0),
        requests=REQUESTS,
        seed=6,
        between=exponential(1 / load),
    )
    assert waits(outcome) == pytest.approx(expected, rel=0.1)


def test_visitors_of_two_replicas_are_two_queues() -> None:
    think = exponential(10.0)
    one = run(Engine(), 1, exponential(1.0), requests=REQUESTS, seed=7, visitors=12, think=think)
    two = run(Engine(), 2, exponential(1.0), requests=REQUESTS, seed=8, visitors=24, think=think)
    assert waits(two) == pytest.approx(waits(one), rel=0.06)
