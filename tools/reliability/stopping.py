"""Stop at any moment: while waiting, loading, in prefill, in decode; by many users at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from tools.reliability import visitor
from tools.reliability.asking import Question, long, short
from tools.reliability.figures import Figure
from tools.reliability.served import SCRIPTED, Served, serving
from tools.reliability.visitor import View, Visitor

IDLE_S = 0.3
WORKER_S = 1.0


@dataclass
class Watched:
    """One stream, from its request to its end.

    Attributes:
        idle_s: from Stop until the page can be used again.
        stale: whether it showed tokens of another request.
    """

    last: View
    idle_s: float | None = None
    stale: bool = False


async def watch(
    page: Visitor,
    question: Question,
    stop_after_s: float | None,
    first: asyncio.Event | None = None,
) -> Watched:
    """Complete, and press Stop after some time.

    Args:
        first: set at the first update.
    """
    stopped_at: float | None = None

    async def press() -> None:
        nonlocal stopped_at
        await asyncio.sleep(stop_after_s or 0)
        stopped_at = time.monotonic()
        await page.stop()

    pressing: asyncio.Task[None] | None = None
    seen = Watched(View())
    stream: AsyncIterator[View] = page.complete(
        question.prefix, question.suffix, **question.settings
    )
    async with aclosing(stream) as views:  # type: ignore[type-var]
        async for view in views:
            if first is not None:
                first.set()
            if stop_after_s is not None and pressing is None:
                pressing = asyncio.create_task(press())
            seen.stale |= question.is_stale(view.middle)
            seen.last = view
            if view.idle and stopped_at is not None and seen.idle_s is None:
                seen.idle_s = view.at - stopped_at
    if pressing is not None:
        await pressing
    return seen


async def until_ready(http: httpx.AsyncClient, timeout_s: float = 120.0) -> float:
    """Wait until the worker is free; return the seconds."""
    started = time.monotonic()
    while (await visitor.status(http))["state"] != "ready":
        if time.monotonic() - started > timeout_s:
            raise TimeoutError("the worker was not free")
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def random_phases(served: Served, engine: str, count: int, seed: int = 5) -> list[Figure]:
    """Stop after a random time, sometimes behind another request; then send a request with a known
    response."""
    chance = random.Random(seed)
    idle: list[float] = []
    free: list[float] = []
    stale = wrong = number = 0
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        expected = await answers(http, engine)
        while len(idle) < count:  # some are over before they are stopped
            number += 1
            page, other = Visitor(http, config), Visitor(http, config)
            waits = chance.random() < 0.3
            before = None
            if waits:  # stop while queued
                begun = asyncio.Event()
                before = asyncio.create_task(
                    watch(other, long(engine, 10_000 + number, chance), 1.0, begun)
                )
                await begun.wait()
            seen = await watch(
                page, long(engine, number, chance), chance.choice((0.0, chance.uniform(0, 0.5)))
            )
            if seen.idle_s is not None and "stopped" in seen.last.caption:
                idle.append(seen.idle_s)
                if before is None:
                    free.append(await until_ready(http))
            stale += seen.stale
            if before is not None:
                stale += (await before).stale
            question = short(engine, number)
            after = await watch(page, question, None)
            stale += after.stale
            wrong += after.last.middle != expected(number)
    name = f"{len(idle)} stops at random phases ({engine})"
    return [
        Figure(name, "page idle, slowest", max(idle), IDLE_S, "s"),
        Figure(name, "worker free after the page, slowest", max(free), WORKER_S, "s"),
        Figure(name, "stale tokens shown", stale, 0),
        Figure(name, "wrong answers to the next request", wrong, 0),
    ]


async def answers(http: httpx.AsyncClient, engine: str):  # type: ignore[no-untyped-def]
    """Return a function: number -> the middle that `short` of that number must have."""
    if engine == SCRIPTED:
        return lambda number: short(engine, number).own
    known: dict[tuple[str, str], str] = {}
    for number in range(4):
        question = short(engine, number)
        async for said in visitor.call_api(http, question.prefix, question.suffix, 96):
            known[question.prefix, question.suffix] = said.get("middle") or ""
    return lambda number: known[short(engine, number).prefix, short(engine, number).suffix]


async def while_loading(served: Served, engine: str) -> list[Figure]:
    """Stop while the model is loading; the next request must show what it waits for."""
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        stopped = await watch(Visitor(http, config), long(engine, 1, random.Random(1)), 0.5)
        page, told = Visitor(http, config), False
        question = short(engine, 0)
        async for view in page.complete(question.prefix, question.suffix, **question.settings):
            told |= "loading" in view.caption or "compiling" in view.caption
            last = view
        expected = await answers(http, engine)
        wrong = last.middle != expected(0)
    name = f"a stop while loading ({engine})"
    return [
        Figure(name, "page idle", stopped.idle_s or 99, IDLE_S, "s"),
        Figure(name, "next request that does not say what it waits for", not told, 0),
        Figure(name, "wrong answer to the next request", wrong, 0),
    ]


async def while_deaf(served: Served) -> list[Figure]:
    """Stop during a long dispatch, which cannot be interrupted."""
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        stopped = await watch(Visitor(http, config), Question("deaf 2", "<deaf>"), 0.3)
        told = ""
        async for view in Visitor(http, config).complete("echo", "<next>"):
            told += view.caption
            last = view
    name = "a stop in a dispatch of 2 s (scripted)"
    return [
        Figure(name, "page idle", stopped.idle_s or 99, IDLE_S, "s"),
        Figure(
            name,
            "next request that does not say what it waits for",
            "ending the stopped completion" not in told,
            0,
        ),
        Figure(name, "wrong answer to the next request", last.middle != "<next>", 0),
    ]


def measure(engine: str, count: int = 100) -> list[Figure]:
    """All of it."""
    figures = []
    slow = ("--load-s", "2") if engine == SCRIPTED else ()
    with serving(engine, worker=slow) as served:
        figures += asyncio.run(while_loading(served, engine))
        served.wait_until_warm()
        figures += asyncio.run(random_phases(served, engine, count))
        if engine == SCRIPTED:
            figures += asyncio.run(while_deaf(served))
    return figures
