"""Overload: excess requests are refused at once, waiting users see their place, and the page stays
responsive."""

from __future__ import annotations

import asyncio
import re
import time

import httpx

from tools.reliability import visitor
from tools.reliability.asking import Question
from tools.reliability.figures import Figure, percentile
from tools.reliability.served import REAL, Served, serving
from tools.reliability.visitor import Refused, View, Visitor

QUEUE = 16
REFUSED_S = 0.5
PAGE_S = 0.2


async def crowd(served: Served, engine: str, clients: int) -> list[Figure]:
    """Start so many clients at once; half through the page, the others through the API and other tools'
    routes."""
    refused: list[float] = []
    unclear = served_ones = placeless = wrong = unplaced = 0
    places: dict[int, list[int]] = {}
    over = asyncio.Event()
    question = Question("slow 0.001", "<x>", own="<x>")
    if engine == REAL:
        question = Question("def f(", "\n", {"max_length": 512, "temperature": 3.0, "seed": 3})

    async def by_page(page: Visitor, number: int) -> None:
        nonlocal unclear, served_ones, wrong, unplaced
        started, last = time.monotonic(), View()
        stream = page.complete(question.prefix, question.suffix, **question.settings)
        async for view in stream:
            place = re.search(r"(\d+) ahead of you", view.caption)
            if place:
                places.setdefault(number, []).append(int(place[1]))
            wrong += question.is_stale(view.middle)
            last = view
            if "Too many requests are waiting" in view.outcome:
                refused.append(view.at - started)
                unclear += "Try again" not in view.outcome
                return
        served_ones += 1
        wrong += not last.middle
        unplaced += last.at - started > 3 and number not in places

    async def by_api(http: httpx.AsyncClient) -> None:
        nonlocal unclear, served_ones
        started = time.monotonic()
        stream = visitor.call_api(http, question.prefix, question.suffix, **question.settings)
        last = {}
        async for last in stream:  # noqa: B007
            pass
        if last["event"] == "error":
            refused.append(time.monotonic() - started)
            unclear += last["code"] != "queue_full" or "may wait" not in last["message"]
        else:
            served_ones += 1

    async def by_tool(http: httpx.AsyncClient) -> None:
        nonlocal served_ones, wrong
        last = {}
        stream = visitor.call_tool(http, question.prefix, question.suffix, **question.settings)
        async for last in stream:
            wrong += question.is_stale(last["middle"])
        served_ones += 1
        wrong += not last["middle"]

    async def one(http: httpx.AsyncClient, page: Visitor | None, number: int) -> None:
        nonlocal unclear
        started = time.monotonic()
        is_tool = number % 4 == 0
        try:
            if page:
                await by_page(page, number)
            else:
                await (by_tool(http) if is_tool else by_api(http))
        except Refused as refusal:
            refused.append(time.monotonic() - started)
            status = 429 if is_tool else 503
            unclear += refusal.status != status or "may wait" not in refusal.detail

    async def look(http: httpx.AsyncClient) -> list[float]:
        took = []
        while not over.is_set():
            for path in ("", "config"):
                started = time.monotonic()
                (await http.get(path)).raise_for_status()
                took.append(time.monotonic() - started)
                await asyncio.sleep(0.1)
        return took

    async with visitor.connect(served.url) as http, visitor.connect(served.url) as other:
        config = await visitor.open_page(http)
        pages = [Visitor(http, config) if number % 2 else None for number in range(clients)]
        for page in pages:
            if page is not None:  # they have it open before they press
                await page.reload()
        looking = asyncio.create_task(look(other))
        await asyncio.sleep(0.5)
        await asyncio.gather(*(one(http, page, number) for number, page in enumerate(pages)))
        over.set()
        took = await looking
    placeless = sum(seen != sorted(seen, reverse=True) for seen in places.values())
    name = f"{clients} clients at once, {QUEUE} may wait ({engine})"
    return [
        Figure(name, "refused, slowest", max(refused), REFUSED_S, "s"),
        Figure(name, "refusals that are not understood", unclear, 0),
        Figure(name, "not served of those that had room", QUEUE + 1 - served_ones, 0),
        Figure(name, "people who waited and saw no place", unplaced, 0),
        Figure(name, "places that went up", placeless, 0),
        Figure(name, "wrong answers", wrong, 0),
        Figure(name, "page answers, 99th percentile", percentile(took, 0.99), PAGE_S, "s"),
    ]


def measure(engine: str, clients: int = 64) -> list[Figure]:
    """All of it."""
    with serving(engine, "--queue-size", str(QUEUE)) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        return asyncio.run(crowd(served, engine, clients))
