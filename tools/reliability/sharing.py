"""Many users of one instance: one generation at a time, one worker at a time, through any route."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from itertools import pairwise
from typing import Any

import httpx

from tools.reliability import processes, visitor
from tools.reliability.asking import long, short
from tools.reliability.figures import Figure
from tools.reliability.served import SCRIPTED, Served, serving
from tools.reliability.stopping import answers, until_ready, watch
from tools.reliability.visitor import API, Visitor

CLIENTS = 8
GROWTH_MB = 20


def overlaps(journal: list[dict[str, Any]]) -> int:
    """Return how often a worker received a second generation while one was active."""
    active: set[str] = set()
    found = 0
    for line in sorted(journal, key=lambda line: line["at"]):
        match line["what"]:
            case "asked":
                found += bool(active)
                active.add(line["request_id"])
            case "ended":
                active.discard(line["request_id"])
    return found


async def start_and_stop(served: Served, engine: str, pairs: int, seed: int = 8) -> list[Figure]:
    """Send rapid pairs of Complete and Stop from several clients, through all routes."""
    wrong = passed = 0

    async def one(http: Any, config: dict[str, Any], number: int) -> None:
        nonlocal passed
        chance = random.Random(seed * 1000 + number)
        page = Visitor(http, config)
        for turn in range(pairs // CLIENTS):
            question = long(engine, number * 1000 + turn, chance)
            door = chance.choice(("page", "page", "api", "tool", "run"))
            if door == "page":
                await watch(page, question, chance.uniform(0, 0.15))
            elif door in ("api", "tool"):
                call = visitor.call_api if door == "api" else visitor.call_tool
                stream = call(http, question.prefix, question.suffix, **question.settings)
                async with aclosing(stream) as updates:  # type: ignore[type-var]
                    async for _ in updates:
                        await asyncio.sleep(chance.uniform(0, 0.1))
                        break
            else:  # past the queue
                answer = await http.post(f"{API}run/complete", json={"data": [question.prefix, ""]})
                passed += answer.status_code < 400

    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        expected = await answers(http, engine)
        await asyncio.gather(*(one(http, config, number) for number in range(CLIENTS)))
        await until_ready(http)
        for number in range(4):
            seen = await watch(Visitor(http, config), short(engine, number), None)
            wrong += seen.last.middle != expected(number)
    name = f"{pairs} rapid start/stop pairs from {CLIENTS} clients ({engine})"
    figures = [
        Figure(name, "requests that passed the queue", passed, 0),
        Figure(name, "wrong answers afterwards", wrong, 0),
        Figure(name, "workers", len(served.workers()), 1),
    ]
    if engine == SCRIPTED:
        figures.append(Figure(name, "second generations", overlaps(served.journal()), 0))
    return figures


async def switches(served: Served, engine: str, count: int) -> list[Figure]:
    """Switch repeatedly; compare the resources of the page's process before and after."""
    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        expected = await answers(http, engine)
        page, wrong = Visitor(http, config), 0
        backends = ("jax", "tensorflow")
        held: list[processes.Usage] = []
        for number in range(count + 4):  # the page's process grows during the first few
            if number >= 4:
                held.append(processes.usage(served.pid))
            await page.choose("backend", backends[number % 2])
            seen = await watch(Visitor(http, config), short(engine, number), None)
            wrong += seen.last.middle != expected(number)
        await until_ready(http)
        await asyncio.sleep(1)
        after = processes.usage(served.pid)
        workers = len(served.workers())
    name = f"{count} switches ({engine})"
    before = held[0]
    return [
        Figure(name, "workers left", workers, 1),
        Figure(name, "memory grown", after.resident_mb - before.resident_mb, GROWTH_MB, "MB"),
        Figure(name, "descriptors grown", after.descriptors - before.descriptors, 0),
        Figure(name, "threads grown", after.threads - before.threads, 0),
        Figure(name, "wrong answers", wrong, 0),
    ]


async def a_switch_waits(served: Served) -> list[Figure]:
    """Check that requests before a switch get the old model, and later ones the new one."""

    async def ask(http: Any, prefix: str) -> tuple[str, float]:
        last = [said async for said in visitor.call_api(http, prefix, "x")][-1]
        return str(last.get("backend")), asyncio.get_running_loop().time()

    async with visitor.connect(served.url) as http:
        config = await visitor.open_page(http)
        page = Visitor(http, config)
        await page.choose("backend", "jax")
        await until(http, lambda status: status["state"] == "ready" and status["backend"] == "jax")
        tasks = []
        for waiting in (0, 1):
            tasks.append(asyncio.create_task(ask(http, "slow 0.004")))
            await until(http, partial(_has_waiting, waiting), "busy")
        await page.choose("backend", "tensorflow")
        await until(http, lambda status: status["switching_to"] is not None)
        tasks.append(asyncio.create_task(ask(http, "echo")))
        answered = await asyncio.gather(*tasks)
    out_of_order = sum(earlier[1] > later[1] for earlier, later in pairwise(answered))
    backends = [backend for backend, _ in answered]
    name = "a switch behind two requests, before a third (scripted)"
    return [
        Figure(name, "answers of another model", backends != ["jax", "jax", "tensorflow"], 0),
        Figure(name, "answers out of order", out_of_order, 0),
    ]


def _has_waiting(count: int, status: dict[str, Any]) -> bool:
    return bool(status["queue_length"] == count)


async def until(
    http: httpx.AsyncClient, condition: Callable[[dict[str, Any]], bool], state: str | None = None
) -> None:
    """Wait until the status meets a condition."""
    while True:
        status = await visitor.status(http)
        if condition(status) and state in (None, status["state"]):
            return
        await asyncio.sleep(0.01)


def measure(engine: str, pairs: int = 200, count: int = 20) -> list[Figure]:
    """All of it."""
    figures = []
    with serving(engine) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        figures += asyncio.run(start_and_stop(served, engine, pairs))
        figures += asyncio.run(switches(served, engine, count))
        if engine == SCRIPTED:
            figures += asyncio.run(a_switch_waits(served))
    return figures
