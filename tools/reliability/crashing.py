"""Kills of the worker: while it starts, loads, prefills, decodes; and once too often. Kills of the page's own
process, which must leave no orphans."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing
from typing import Any

import httpx

from tools.reliability import processes, visitor
from tools.reliability.asking import Question, long, short
from tools.reliability.figures import Figure
from tools.reliability.served import SCRIPTED, Served, serving
from tools.reliability.stopping import answers, until_ready, watch
from tools.reliability.visitor import Visitor

TOLD_S = 1.0
ORPHAN_S = 5.0
CALM_S = 61.0


async def told_in_the_status(http: httpx.AsyncClient) -> float:
    """Return the seconds until the status reports that a worker ended."""
    started = time.monotonic()
    while (error := (await visitor.status(http))["error"]) is None:
        if time.monotonic() - started > 30:
            return 99.0
        await asyncio.sleep(0.01)
    assert "ended" in error["message"], error
    return time.monotonic() - started


async def killed(
    http: httpx.AsyncClient, served: Served, question: Question, after_s: float
) -> float:
    """Kill the worker during a completion; return the seconds until its page reports it."""
    page = Visitor(http, await visitor.open_page(http))
    killed_at = 0.0

    async def kill() -> None:
        nonlocal killed_at
        await asyncio.sleep(after_s)
        killed_at = time.monotonic()
        processes.kill(served.workers()[0])

    killing = asyncio.create_task(kill())
    told_at, outcome = 0.0, ""
    stream = page.complete(question.prefix, question.suffix, **question.settings)
    async with aclosing(stream) as views:  # type: ignore[type-var]
        async for view in views:
            if view.outcome and not told_at:
                told_at, outcome = view.at, view.outcome
    await killing
    readable = "The model stopped unexpectedly" in outcome and "Traceback" not in outcome
    return told_at - killed_at if readable else 99.0


def while_coming_up(engine: str, phase: str) -> list[Figure]:
    """Kill a worker that starts or loads, while a request waits for it."""

    async def kill_and_wait(served: Served) -> tuple[float, str]:
        async with visitor.connect(served.url) as http:
            config = await visitor.open_page(http)
            question = short(engine, 0)
            waiting = asyncio.create_task(watch(Visitor(http, config), question, None))
            while not served.workers():
                await asyncio.sleep(0.01)
            if phase == "loading":
                await asyncio.sleep(0.4 if engine == SCRIPTED else 2.5)
            processes.kill(served.workers()[0])
            told = await told_in_the_status(http)
            middle = (await waiting).last.middle
            expected = await answers(http, engine)
            return told, middle if middle != expected(0) else ""

    slow = ("--load-s", "1") if engine == SCRIPTED else ()
    with serving(engine, worker=slow) as served:
        told, wrong = asyncio.run(kill_and_wait(served))
    name = f"worker killed while {phase} ({engine})"
    return [
        Figure(name, "said within", told, TOLD_S, "s"),
        Figure(name, "wrong responses to waiting requests", bool(wrong), 0),
    ]


async def while_serving(served: Served, engine: str, rounds: int) -> list[Figure]:
    """Kill it during prefill and during decode; then send a request with a known response."""
    chance = random.Random(11)
    told: list[float] = []
    wrong = 0
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        expected = await answers(http, engine)
        for number in range(rounds):
            if engine == SCRIPTED:
                question = Question(("read 5", "slow 0.01")[number % 2], "<x>")
            else:
                question = long(engine, number, chance)
            told.append(await killed(http, served, question, chance.uniform(0.1, 0.4)))
            seen = await watch(Visitor(http, config), short(engine, number), None)
            wrong += seen.last.middle != expected(number)
            await until_ready(http)
            if number % 2 and number + 1 < rounds:  # more than two within a minute are too many
                await asyncio.sleep(CALM_S)
    name = f"worker killed {rounds} times while reading or writing ({engine})"
    return [
        Figure(name, "said within, slowest", max(told), TOLD_S, "s"),
        Figure(name, "wrong answers to the next request", wrong, 0),
        Figure(name, "workers", len(served.workers()), 1),
    ]


async def three_within_a_minute(served: Served) -> list[Figure]:
    """Check that there is no immediate restart after the third crash, and that the page explains it."""
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        for _ in range(3):
            seen = await watch(Visitor(http, config), Question("crash"), None)
        state: dict[str, Any] = await visitor.status(http)
        asked = await watch(Visitor(http, config), Question("echo", "x"), None)
    page = seen.last.outcome + asked.last.outcome + str(state["error"])
    name = "three crashes within a minute (scripted)"
    return [
        Figure(name, "workers left", len(served.workers()), 0),
        Figure(name, "not said", not ("3 times" in page and state["state"] == "failed"), 0),
        Figure(name, "stderr missing from the log", "the last words" not in served.log, 0),
        Figure(name, "stderr shown on the page", "last words" in page, 0),
    ]


def orphans(engine: str, count: int) -> list[Figure]:
    """Kill the page's process at random moments, and wait until its worker is gone."""
    chance = random.Random(12)
    gone: list[float] = []
    for number in range(count):
        slow = ("--load-s", "1") if engine == SCRIPTED else ()
        with serving(engine, worker=slow) as served:
            processes.wait_until(served.workers)
            leaders = served.workers()
            longest = 2.0 if engine == SCRIPTED else 12.0
            if number % 2:
                served.wait_until_ready()
                asyncio.run(_begin(served, long(engine, number, chance)))
            else:
                time.sleep(chance.uniform(0, longest))
            processes.kill(served.pid)

            def all_gone(leaders: list[int] = leaders) -> bool:
                return not any(processes.group(leader) for leader in leaders)

            gone.append(processes.wait_until(all_gone))
    name = f"page's process killed {count} times ({engine})"
    return [Figure(name, "worker and all it started gone, slowest", max(gone), ORPHAN_S, "s")]


async def _begin(served: Served, question: Question) -> None:
    async with visitor.connect(served.url) as http:
        page = Visitor(http, await visitor.open_page(http))
        stream = page.complete(question.prefix, question.suffix, listens=False, **question.settings)
        async for _ in stream:
            pass
        await asyncio.sleep(0.2)


def measure(engine: str, rounds: int = 4) -> list[Figure]:
    """Crashes."""
    figures = while_coming_up(engine, "starting") + while_coming_up(engine, "loading")
    with serving(engine) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        figures += asyncio.run(while_serving(served, engine, rounds))
    if engine == SCRIPTED:
        with serving(engine) as served:
            served.wait_until_ready()
            figures += asyncio.run(three_within_a_minute(served))
    return figures


def measure_orphans(engine: str, count: int = 20) -> list[Figure]:
    """Orphans."""
    return orphans(engine, count)
