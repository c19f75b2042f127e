"""Several users of one model: total throughput, wait of a new request, and equality of tokens.

A load generator over HTTP: each stream requests one completion after another, as a script calls `/complete`.
The same requests are sent by one stream and by eight, to the same server, and to one that takes one at a
time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx

from codegemma_ui.workers.keras.decode import BURST_S
from tools.reliability import visitor
from tools.reliability.figures import Figure, percentile
from tools.reliability.served import SCRIPTED, Served, serving

STREAMS = 8
TIMES = 3.0
DISPATCHES = 2
PROMPTS = (
    "def quicksort(values):\n",
    "def mergesort(values):\n",
    "def insertion_sort(items):\n",
    "class Shape:\n",
    'names = [\n    "alpha",\n    "beta",\n',
    'COLOURS = (\n    "red",\n    "green",\n',
    'days = [\n    "monday",\n    "tuesday",\n',
    'numbers = {\n    1: "one",\n    2: "two",\n',
)
"""Greedy, the bundled model continues each until `max_length`, so that decode is measured, not the
requests."""

MAX_LENGTH, LONG = 256, 1000


@dataclass(frozen=True)
class Load:
    """The responses under load.

    Attributes:
        tokens: total of generated tokens.
        seconds: from the first request to the last response.
        answers: request -> the token ids of its responses; a single one, if all is well.
    """

    tokens: int
    seconds: float
    answers: dict[str, set[tuple[int, ...]]]

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


async def load(http: httpx.AsyncClient, streams: int, rounds: int) -> Load:
    """Send every prompt so many times, by so many streams at once.

    Raises:
        RuntimeError: a request failed.
    """
    waiting = [prompt for _ in range(rounds) for prompt in PROMPTS]
    answers: dict[str, set[tuple[int, ...]]] = {prompt: set() for prompt in PROMPTS}
    tokens = 0

    async def stream() -> None:
        nonlocal tokens
        while waiting:
            prompt = waiting.pop(0)
            last: dict[str, Any] = {}
            async for last in visitor.call_api(http, prompt, max_length=MAX_LENGTH):  # noqa: B007
                pass
            if last.get("event") != "done":
                raise RuntimeError(f"not answered: {last}")
            answers[prompt].add(tuple(last["token_ids"]))
            tokens += last["completion_tokens"]

    started = time.monotonic()
    await asyncio.gather(*(stream() for _ in range(streams)))
    return Load(tokens, time.monotonic() - started, answers)


async def newcomers(http: httpx.AsyncClient, count: int, others: int) -> list[float]:
    """Return the seconds to the first token of new requests, while so many others decode."""
    first_s: list[float] = []
    over = False

    async def stream(prompt: str) -> None:
        while not over:
            async for _ in visitor.call_api(http, prompt, max_length=LONG):
                pass

    async with asyncio.TaskGroup() as group:
        for prompt in PROMPTS[:others]:
            group.create_task(stream(prompt))
        while (await visitor.status(http))["serving"] < others:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # they decode by now
        for number in range(count):
            await asyncio.sleep(0.05)
            last: dict[str, Any] = {}
            prompt = f"def newcomer_{number}_of_{others}(values):\n    total = 0\n    for "
            async for last in visitor.call_api(http, prompt, max_length=64):  # noqa: B007
                pass
            first_s.append(last["ttft_s"])
        over = True
    return first_s


def measure(engine: str, rounds: int = 3, count: int = 40) -> list[Figure]:
    """All of it; a scripted worker has no speed to measure."""
    if engine == SCRIPTED:
        return []

    async def ask(served: Served, *loads: int) -> list[Load]:
        async with visitor.connect(served.url) as http:
            await load(http, 1, 1)  # every shape has run once
            return [await load(http, streams, rounds) for streams in loads]

    async def come(served: Served) -> list[list[float]]:
        async with visitor.connect(served.url) as http:
            return [await newcomers(http, count, others) for others in (0, STREAMS - 1)]

    def serve(at_once: int) -> Any:
        return serving(engine, "--backend", "jax", "--max-concurrency", str(at_once))

    with serve(1) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        (before,) = asyncio.run(ask(served, 1))
    with serve(STREAMS) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        one, two, four, eight = asyncio.run(ask(served, 1, 2, 4, STREAMS))
        alone, among = asyncio.run(come(served))
    differing = sum(
        len(each.answers[prompt] - before.answers[prompt])
        for each in (one, two, four, eight)
        for prompt in PROMPTS
    )
    # The wait in addition to prefill, in units of a dispatch.
    wait = (percentile(among, 0.95) - percentile(alone, 0.5)) / BURST_S
    name = f"{STREAMS} streams on one model (jax)"
    print(
        f"     tokens/s: one at a time {before.speed:.0f} (with drafts); of up to {STREAMS} at once "
        f"1 stream {one.speed:.0f}, 2 {two.speed:.0f}, 4 {four.speed:.0f}, {STREAMS} {eight.speed:.0f}"
    )
    return [
        Figure(
            name, "one stream's tokens/s, in theirs together", one.speed / eight.speed, 1 / TIMES
        ),
        Figure(name, "completions whose tokens are not those alone", differing, 0),
        Figure(
            name,
            "a newcomer's wait beside its reading, 95th percentile",
            wait,
            DISPATCHES,
            "dispatches",
        ),
    ]
