"""Soak test for minutes or hours: `python -m tools.reliability.soak --minutes 10`.

Visitors complete, stop, reload and leave, through the page, the API and other tools' routes; in the first
half the model is switched repeatedly. Every completed response is checked. Threads and descriptors of each
process are compared after each half, once it has been idle for a while; the page's memory, connections and
responsiveness are watched all the time (`watches`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tools.reliability import processes, visitor
from tools.reliability.asking import long, short
from tools.reliability.figures import Figure
from tools.reliability.leaving import leave_after, listen_for
from tools.reliability.processes import Usage
from tools.reliability.served import REAL, SCRIPTED, Served, serving
from tools.reliability.stopping import answers, watch
from tools.reliability.visitor import Visitor
from tools.reliability.watches.page import PageWatch

CLIENTS = 6
STOPS, RELOADS, LEAVES = 0.20, 0.10, 0.05
"""Shares of the visitors' actions; the rest are completions, which are checked."""

GROWTH_MB = 50.0
SAMPLE_S = 1.0

REST_S = 12.0
"""Seconds without a visitor, after which the next call ends idle threads of Gradio's pool: anyio keeps them
for ten."""
BACKENDS = ("jax", "tensorflow")


class Soak:
    """One run.

    Args:
        served: the playground under test.
        engine: "real" or "scripted".
        seconds: duration.
        switch_every_s: between two switches, in the first half.
    """

    def __init__(self, served: Served, engine: str, seconds: float, switch_every_s: float) -> None:
        self._served, self._engine = served, engine
        self._seconds, self._switch_every_s = seconds, switch_every_s
        self._until = 0.0
        self._samples: dict[int, list[Usage]] = {}
        self._rested: list[dict[int, Usage]] = []
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Run the test."""
        async with visitor.connect(self._served.url) as http:
            config = await visitor.open_page(http)
            expected = await answers(http, self._engine)
            for half in ("first", "second"):
                self._until = time.monotonic() + self._seconds / 2
                visits = (
                    self._visit(http, config, expected, random.Random(f"{half} {number}"))
                    for number in range(CLIENTS)
                )
                switches = [self._switch(http, config)] if half == "first" else []
                await asyncio.gather(self._sample(), *switches, *visits)
                await self._rest(Visitor(http, config))

    async def _visit(
        self,
        http: httpx.AsyncClient,
        config: dict[str, Any],
        expected: Callable[[int], str],
        chance: random.Random,
    ) -> None:
        page = Visitor(http, config)
        while time.monotonic() < self._until:
            dice, question_number = chance.random(), chance.randrange(10**6)
            if dice < STOPS:
                question = long(self._engine, question_number, chance)
                seen = await watch(page, question, chance.uniform(0, 0.6))
                self.counts["stale"] += seen.stale
                self.counts["stopped"] += 1
            elif dice < STOPS + RELOADS:
                page = Visitor(http, config)
                await page.reload()
                self.counts["reloads"] += 1
            elif dice < STOPS + RELOADS + LEAVES:
                await self._leave(question_number, chance)
            else:
                await self._ask(http, page, expected, question_number, chance)
            await asyncio.sleep(chance.uniform(0, 0.4))

    async def _leave(self, number: int, chance: random.Random) -> None:
        question = long(self._engine, number, chance)
        call, leave = chance.choice(
            ((visitor.call_api, leave_after), (visitor.call_tool, listen_for))
        )
        async with visitor.connect(self._served.url) as theirs:
            stream = call(theirs, question.prefix, question.suffix, **question.settings)
            await leave(stream, chance.uniform(0, 0.5))
        self.counts["left"] += 1

    async def _ask(
        self,
        http: httpx.AsyncClient,
        page: Visitor,
        expected: Callable[[int], str],
        number: int,
        chance: random.Random,
    ) -> None:
        question = short(self._engine, number)
        dice = chance.random()
        last: object
        if dice < 0.4:
            seen = await watch(page, question, None)
            last, notice = seen.last, seen.last.outcome
            middle, failure = seen.last.middle, notice if "notice error" in notice else ""
        else:
            call = visitor.call_api if dice < 0.7 else visitor.call_tool
            stream = call(http, question.prefix, question.suffix, **question.settings)
            last = update = [one async for one in stream][-1]
            middle, failure = str(update.get("middle")), str(update.get("message") or "")
        self.counts["completed"] += 1
        if middle != expected(number) or failure:
            self.counts["wrong"] += 1
            print(
                f"wrong: {middle!r} instead of {expected(number)!r}. {failure} {last}", flush=True
            )

    async def _switch(self, http: httpx.AsyncClient, config: dict[str, Any]) -> None:
        page, number = Visitor(http, config), 0
        while time.monotonic() + self._switch_every_s < self._until:
            await asyncio.sleep(self._switch_every_s)
            await page.choose("backend", BACKENDS[number % 2])
            number += 1
            self.counts["switches"] += 1

    async def _sample(self) -> None:
        while time.monotonic() < self._until:
            for pid, sample in self._usages().items():
                self._samples.setdefault(pid, []).append(sample)
            await asyncio.sleep(SAMPLE_S)

    def _usages(self) -> dict[int, Usage]:
        found = {}
        for pid in (self._served.pid, *self._served.workers()):
            with contextlib.suppress(OSError, KeyError):  # it has just ended
                found[pid] = processes.usage(pid)
        return found

    async def _rest(self, page: Visitor) -> None:
        await asyncio.to_thread(self._served.wait_until_ready)  # a switch may be in progress
        await asyncio.sleep(REST_S)
        await page.reload()
        await asyncio.sleep(1)
        self._rested.append(self._usages())

    def figures(self) -> list[Figure]:
        """Return the figures of the run."""
        name = f"soak ({self._engine})"
        middle, end = self._rested
        worker = next(pid for pid in end if pid != self._served.pid)
        figures = [
            Figure(name, "wrong or missing answers", self.counts["wrong"], 0),
            Figure(name, "stale tokens shown", self.counts["stale"], 0),
            Figure(name, "workers at the end", len(self._served.workers()), 1),
        ]
        for who, pid in (("page", self._served.pid), ("worker", worker)):
            samples = [one.resident_mb for one in self._samples[pid]]
            third = len(samples) // 3
            growth = statistics.median(samples[-third:]) - statistics.median(
                samples[third : 2 * third]
            )
            threads = end[pid].threads - middle[pid].threads
            descriptors = end[pid].descriptors - middle[pid].descriptors
            figures += [
                Figure(name, f"{who}: memory grown", growth, GROWTH_MB, "MB"),
                Figure(name, f"{who}: threads grown", threads, 0),
                Figure(name, f"{who}: descriptors grown", descriptors, 0),
            ]
        return figures


def soak(engine: str, seconds: float, switch_every_s: float) -> tuple[Counter[str], list[Figure]]:
    """Run a soak test on a new playground; return the counts of actions, and the figures."""
    with serving(engine) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        run = Soak(served, engine, seconds, switch_every_s)
        with PageWatch(served.url, served.pid) as watch:
            asyncio.run(run.run())
        return run.counts, [*run.figures(), *watch.figures(f"soak ({engine})")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.reliability.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="default 10")
    parser.add_argument("--engine", choices=(REAL, SCRIPTED), default=REAL)
    given = parser.parse_args()
    counts, figures = soak(given.engine, given.minutes * 60, min(60.0, given.minutes * 6))
    print("     " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items()) if count))
    for figure in figures:
        print(figure)
    sys.exit(0 if all(figure.holds for figure in figures) else 1)


if __name__ == "__main__":
    main()
