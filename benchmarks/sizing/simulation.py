"""Visitors who wait for an engine, second by second: a simulation of events. It knows no engine and no card.

A visitor writes and thinks for a while, asks, waits until the completion is whole, and thinks again; so N
visitors never have more than N requests under way (a closed queue). For comparison with theory, requests can
also come by themselves at a rate, from nobody in particular (an open queue).

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
"""Draws a number of seconds."""


@dataclass(frozen=True)
class Engine:
    """One replica.

    Attributes:
        together: requests that are served at a time.
        gain: how much more work a second it does with `together` requests than with one; in between it grows
            in a straight line.
    """

    together: int = 1
    gain: float = 1.0

    def speed(self, running: int) -> float:
        """Seconds of work done a second."""
        if running <= 1 or self.together == 1:
            return 1.0
        return 1 + (self.gain - 1) * (running - 1) / (self.together - 1)


@dataclass(frozen=True)
class Served:
    """What one request met, in seconds.

    Attributes:
        wait: from asking until an engine began with it.
        whole: from asking until its last token.
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
        """Let the running requests get on until now."""
        if self.running:
            done = (now - self.now) * self._each()
            for request in self.running:
                request.left -= done
            self.busy += now - self.now
        self.now = now

    def _each(self) -> float:
        return self.engine.speed(len(self.running)) / len(self.running)

    def fill(self) -> None:
        """Begin with those who waited longest."""
        while self.waiting and len(self.running) < self.engine.together:
            request = self.waiting.popleft()
            request.began = self.now
            self.running.append(request)
        self.edition += 1

    def next_end(self) -> float:
        """When the next request will be whole, if nothing else happens."""
        return self.now + max(0.0, min(one.left for one in self.running)) / self._each()


@dataclass(frozen=True)
class Outcome:
    """A run.

    Attributes:
        served: every request after the warm-up that was done.
        busy: the share of the time that replicas worked, 0 to 1.
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
        replicas: a visitor keeps to one of them, as a page does; open requests take turns.
        work: of a request, alone.
        requests: how many to count.
        visitors: of a closed queue, with `think` between an answer and the next question.
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
            continue  # somebody came or went meanwhile
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
    """The smallest value that `share` of them do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
