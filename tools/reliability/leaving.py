"""Closed tabs, lost networks, callers that never fetch events: the worker must not continue for them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from codegemma_ui.ui.listeners import FORGOTTEN_S
from tools.reliability import processes, visitor
from tools.reliability.asking import long, short
from tools.reliability.figures import Figure
from tools.reliability.served import SCRIPTED, Served, serving
from tools.reliability.stopping import answers, until_ready, watch
from tools.reliability.visitor import Visitor

FREE_S = 1.0
TIME_LIMIT_S = 2.0


async def tabs_closed(served: Served, engine: str, count: int, seed: int = 6) -> list[Figure]:
    """Close connections after a random time, through the page, the API and other tools' routes."""
    chance = random.Random(seed)
    free: list[float] = []
    wrong = 0
    async with visitor.connect(served.url) as http:
        expected = await answers(http, engine)
        config = await visitor.open_page(http)
        for number in range(count):
            question = long(engine, number, chance)
            async with visitor.connect(served.url) as theirs:
                sides = (question.prefix, question.suffix)
                wait_s = chance.uniform(0, 0.4)
                match number % 3:
                    case 0:
                        stream: AsyncIterator[Any] = visitor.call_api(
                            theirs, *sides, **question.settings
                        )
                        await leave_after(stream, wait_s)
                    case 1:
                        stream = Visitor(theirs, config).complete(*sides, **question.settings)
                        await leave_after(stream, wait_s)
                    case _:
                        stream = visitor.call_tool(theirs, *sides, **question.settings)
                        await listen_for(stream, wait_s)
            free.append(await until_ready(http))
            after = await watch(Visitor(http, config), short(engine, number), None)
            wrong += after.last.middle != expected(number)
    name = f"{count} closed connections ({engine})"
    return [
        Figure(name, "worker free, slowest", max(free), FREE_S, "s"),
        Figure(name, "wrong answers to the next request", wrong, 0),
    ]


async def leave_after(stream: AsyncIterator[Any], seconds: float) -> None:
    """Close a stream at its first update after some time."""
    until = time.monotonic() + seconds
    async with aclosing(stream) as updates:  # type: ignore[type-var]
        async for _ in updates:
            if time.monotonic() >= until:
                break


async def listen_for(stream: AsyncIterator[Any], seconds: float) -> None:
    """Read a stream for some time, and close it at any point."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(stream) as updates:  # type: ignore[type-var]
            async for _ in updates:
                pass


async def never_listens(served: Served, engine: str) -> list[Figure]:
    """Join the queue and never fetch the events: the time limit ends it."""
    chance = random.Random(7)
    question = long(engine, 1, chance)
    script = "slow 0.05" if engine == SCRIPTED else question.prefix
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        page = Visitor(http, config)
        async for _ in page.complete(script, question.suffix, listens=False, **question.settings):
            pass
        while (await visitor.status(http))["state"] != "busy":
            await asyncio.sleep(0.005)
        free = await until_ready(http)
    name = f"a caller who never listens, time limit {TIME_LIMIT_S:g} s ({engine})"
    return [Figure(name, "worker free after its first dispatch", free, TIME_LIMIT_S + FREE_S, "s")]


async def keeps_what_came(served: Served) -> list[Figure]:
    """Check that the time limit ends a completion as `done`, with its reason."""
    async with visitor.connect(served.url) as http:
        last = [said async for said in visitor.call_api(http, "slow 0.05", "x")][-1]
    kept = (last["stop_reason"], bool(last["middle"])) == ("time_limit", True)
    return [Figure("the time limit (scripted)", "completions that were lost", not kept, 0)]


async def nothing_is_kept(served: Served, count: int) -> list[Figure]:
    """Measure the memory left by many callers that never fetch events, each with long texts."""
    kept: list[float] = []
    body = {"prefix": "slow 0.002", "suffix": "y" * 500}
    async with visitor.connect(served.url) as http:
        for _ in range(2):  # the first time makes the process as large as it gets
            for _ in range(count):
                await http.post("gradio_api/call/v2/complete", json=body)
                await asyncio.sleep(0.2)
                await until_ready(http)
            await asyncio.sleep(FORGOTTEN_S + 1)
            kept.append(processes.usage(served.pid).resident_mb)
    name = f"{count} more callers who never listen, of 250 kB each (scripted)"
    return [Figure(name, "memory kept for them", kept[1] - kept[0], 20, "MB")]


def measure(engine: str, count: int = 50) -> list[Figure]:
    """All of it."""
    figures = []
    with serving(engine) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        figures += asyncio.run(tabs_closed(served, engine, count))
    with serving(engine, "--time-limit", str(TIME_LIMIT_S)) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        if engine == SCRIPTED:
            figures += asyncio.run(never_listens(served, engine))
            figures += asyncio.run(keeps_what_came(served))
            figures += asyncio.run(nothing_is_kept(served, count // 4))
    return figures
