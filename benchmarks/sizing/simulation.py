"""A discrete-event simulation of visitors who wait for an engine. It knows no engine and no card.

A visitor thinks for a while, sends a request, waits until the completion is done, and thinks again; so N
visitors never have more than N requests in progress (a closed queue). For comparison with theory, requests
can also arrive at a rate, independent of visitors (an open queue).

An engine serves up to `together` requests at a time, the others first come, first served. Work is counted in
seconds that a request would take alone. `n` requests that share an engine get on at `speed(n)` seconds of
work a second, shared evenly: 1 where it serves one at a time, more where a batch costs little more than one
request. What it leaves out: what a longer context costs, stops, and prompts that are read faster because
they were seen before.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

Draw = Callable[[random.Random], float]
"""Draws a duration in seconds."""


@dataclass(frozen=True)
class Engine:
    """One replica.

    Attributes:
        together: requests served at a time.
        gain: how much more work per second it does with `together` requests than with one; linear in between.
    """

    together: int = 1
    gain: float = 1.0

    def speed(self, running: int) -> float:
        """Return the seconds of work done per second."""
        if running <= 1 or self.together == 1:
            return 1.0
        return 1 + (self.gain - 1) * (running - 1) / (self.together - 1)


@dataclass(frozen=True)
class Served:
    """The latencies of one request, in seconds.

    Attributes:
        wait: from the request until an engine began with it.
        whole: from the request until its last token.
    """

    wait: float
    whole: float


@dataclass
class _Request:
    asked: float
    left: float
    visitor: int | None
    began: float = 0.0


@dataclass
class _Replica:
    engine: Engine
    running: list[_Request] = field(default_factory=list)
    waiting: deque[_Request] = field(default_factory=deque)
    now: float = 0.0
    busy: float = 0.0
    edition: int = 0

    def advance(self, now: float) -> None:
        """Advance the running requests until now."""
        if self.running:
            done = (now - self.now) * self._each()
            for request in self.running:
                request.left -= done
            self.busy += now - self.now
        self.now = now

    def _each(self) -> float:
        return self.engine.speed(len(self.running)) / len(self.running)

    def fill(self) -> None:
        """Start the requests that have waited longest."""
        while self.waiting and len(self.running) < self.engine.together:
            request = self.waiting.popleft()
            request.began = self.now
            self.running.append(request)
        self.edition += 1

    def next_end(self) -> float:
        """Return when the next request will be done, if nothing else happens."""
        return self.now + max(0.0, min(one.left for one in self.running)) / self._each()


@dataclass(frozen=True)
class Outcome:
    """A run.

    Attributes:
        served: every finished request after the warm-up.
        busy: the share of time that replicas worked, 0 to 1.
        seconds: of simulated time.
    """

    served: list[Served]
    busy: float
    seconds: float


def run(
    engine: Engine,
    replicas: int,
    work: Draw,
    *,
    requests: int,
    seed: int,
    visitors: int = 0,
    think: Draw | None = None,
    between: Draw | None = None,
) -> Outcome:
    """Simulate until so many requests are served; the first tenth is warm-up and not counted.

    Args:
        replicas: a visitor stays with one of them, as a page does; open requests alternate.
        work: of a request, alone.
        requests: number of requests to count.
        visitors: of a closed queue, with `think` between a response and the next request.
        between: of an open queue, between one request and the next.
    """
    chance, order = random.Random(seed), count()
    houses = [_Replica(engine) for _ in range(replicas)]
    events: list[tuple[float, int, str, int, int]] = []  # time, order, what, who or where, edition

    def later(time: float, what: str, number: int, edition: int = 0) -> None:
        heapq.heappush(events, (time, next(order), what, number, edition))

    if between is not None:
        later(between(chance), "arrives", 0)
    else:
        assert think is not None
        for visitor in range(visitors):
            later(think(chance), "asks", visitor)

    served: list[Served] = []
    warm_up, done, now, began = requests // 9, 0, 0.0, 0.0
    while done < warm_up + requests:
        now, _, what, number, edition = heapq.heappop(events)
        place = number if what == "ends" else number % replicas
        house = houses[place]
        if what == "ends" and edition != house.edition:
            continue  # outdated: a request came or went meanwhile
        house.advance(now)
        if what == "ends":
            gone = min(house.running, key=lambda one: one.left)
            house.running.remove(gone)
            done += 1
            if done > warm_up:
                served.append(Served(gone.began - gone.asked, now - gone.asked))
            elif done == warm_up:
                began = now
                for each in houses:
                    each.advance(now)
                    each.busy = 0.0
            if gone.visitor is not None and think is not None:
                later(now + think(chance), "asks", gone.visitor)
        else:
            house.waiting.append(_Request(now, work(chance), number if what == "asks" else None))
            if what == "arrives" and between is not None:
                later(now + between(chance), "arrives", number + 1)
        house.fill()
        if house.running:
            later(house.next_end(), "ends", place, house.edition)
    span = now - began
    return Outcome(served, sum(house.busy for house in houses) / (span * replicas), span)


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
