"""Send bad requests to the page and report the results: `python -m tools.fuzz.run` (`make fuzz`).

The page runs over the scripted worker, in its own process, on loopback; it stops with the run. `--real` uses
the bundled model. Meanwhile the page is watched (`tools.reliability.watches`): its memory, its connections,
and its response times; a server at an address in many of the requests records any connection, and no response
may hold a secret of the operator.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from codegemma_ui.server import bodies
from tests.server.scripted_page import REAL, SCRIPTED, Page, serving, wait_until
from tools.fuzz import operator_secrets
from tools.fuzz.bad_requests import CANARY, Request, requests
from tools.reliability.figures import Figure
from tools.reliability.watches.page import PageWatch
from tools.reliability.watches.stranger import Stranger

CALM_S = 10.0
"""Seconds after the last request in which the page may still refuse for overload."""

GOOD = {"prefix": "a\t한", "suffix": "\r\n b", "max_length": 64}
AT_ONCE = 8
OVERSIZE_S = 0.5
READ_S = 10.0

MARGIN_S = 2.0
"""Seconds that anything may take beyond its own limit, under load."""

ANSWER_S = bodies.WAIT_S + MARGIN_S
"""Seconds to the start of a response: a long body waits for others, and nothing waits longer."""

TIME_LIMIT_S = 5
"""Of a completion of the fuzzed page; it also waits for all others in the queue."""

FOLLOW_S = AT_ONCE * (TIME_LIMIT_S + MARGIN_S)
CHUNK = 256 * 2**10

TRACES = ("Traceback (most recent call last)", 'File "/', "site-packages", "RecursionError")


@dataclass
class Outcome:
    """The result of a run.

    Attributes:
        statuses: number of responses by status code; 0 is a connection closed without a response.
        events: number of accepted calls by their last event.
        wrong: failures, in words.
        oversize_s: duration of each oversize request.
        slowest_s: longest time to a response among the others, and longest call.
        watched: figures of the watches.
    """

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    oversize_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    slowest_s: dict[str, float] = field(default_factory=lambda: {"answer": 0.0, "call": 0.0})
    watched: list[Figure] = field(default_factory=list)

    def took(self, what: str, began_s: float) -> None:
        """Record the duration of a response or a call."""
        self.slowest_s[what] = max(self.slowest_s[what], time.monotonic() - began_s)

    def check_secrets(self, text: str, where: str) -> None:
        """Check that a text sent by the server holds no secret of the operator."""
        if told := operator_secrets.found(text):
            self.wrong.append(f"{where} holds {', '.join(told)}")

    def close(self, figures: Iterable[Figure]) -> None:
        """Add the figures of the watches; those beyond their budget are failures."""
        self.watched += [
            Figure("fuzz", "slowest answer", self.slowest_s["answer"], ANSWER_S, "s"),
            Figure("fuzz", "slowest call to its end", self.slowest_s["call"], FOLLOW_S, "s"),
            *figures,
        ]
        self.wrong += [str(figure) for figure in self.watched if not figure.holds]

    def as_text(self) -> str:
        slowest = max(self.oversize_s, default=0.0)
        lines = [
            f"{self.sent:,} requests in {self.seconds:.0f} s",
            "statuses: "
            + ", ".join(f"{each} × {n:,}" for each, n in sorted(self.statuses.items())),
            "calls ended: "
            + ", ".join(f"{each} × {n:,}" for each, n in sorted(self.events.items())),
            f"oversize: {len(self.oversize_s)}, refused within {slowest:.3f} s",
            *map(str, self.watched),
            f"wrong: {len(self.wrong)}",
        ]
        return "\n".join([*lines, *self.wrong[:20]])


def fuzz(count: int, seed: int, module: str = SCRIPTED) -> Outcome:
    """Send `count` requests from a seed to our own page.

    Args:
        module: that serves it, "codegemma_ui" for the real engine.
    """
    flags = ("--log-level", "debug", "--openai-api", "--mcp", "--time-limit", str(TIME_LIMIT_S))
    with (
        Stranger() as stranger,
        serving(*flags, module=module, **operator_secrets.PLANTED) as page,  # type: ignore[arg-type]
    ):
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready", 120)
        before = page.workers()
        with PageWatch(page.url, page.process.pid, before) as watch:
            outcome = asyncio.run(_send_all(page, requests(seed, count, stranger.address)))
        if page.workers() != before:
            outcome.wrong.append(f"a worker died: {before} became {page.workers()}")
        outcome.close([*watch.figures("fuzz"), *stranger.figures("fuzz")])
        _judge_log(page.log(), outcome)
    return outcome


async def _send_all(page: Page, bad: Iterable[Request]) -> Outcome:
    outcome, began_s = Outcome(), time.monotonic()
    remaining, gate = iter(bad), _Gate()

    async def sender(client: httpx.AsyncClient) -> None:
        for request in remaining:
            outcome.sent += 1
            async with gate.alone() if request.oversize else gate.beside():
                await _send(client, request, outcome)

    limits = httpx.Limits(max_connections=4 * AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=page.url, timeout=ANSWER_S, limits=limits) as client:
        await asyncio.gather(*(sender(client) for _ in range(AT_ONCE)))
        answer = await client.post("/gradio_api/call/v2/complete", json=GOOD)
        asked_s = time.monotonic()
        while answer.status_code == 503 and time.monotonic() - asked_s < CALM_S:
            await asyncio.sleep(0.5)
            answer = await client.post("/gradio_api/call/v2/complete", json=GOOD)
        last = await _follow(client, answer.json()["event_id"], outcome)
        if last.get("program") != f"{GOOD['prefix']}{last.get('middle')}{GOOD['suffix']}":
            outcome.wrong.append(f"a good request afterwards gave {str(last)[:200]}")
    outcome.seconds = time.monotonic() - began_s
    return outcome


class _Gate:
    """Runs requests concurrently, but timed ones alone, so that this client is not the bottleneck."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._one = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        async with self._places:
            yield

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._one:
            for _ in range(AT_ONCE):
                await self._places.acquire()
            try:
                yield
            finally:
                for _ in range(AT_ONCE):
                    self._places.release()


async def _send(client: httpx.AsyncClient, request: Request, outcome: Outcome) -> None:
    if request.oversize:
        await _send_oversize(str(client.base_url), request, outcome)
        return
    began_s = time.monotonic()
    extensions = {} if request.target is None else {"target": request.target}
    try:
        built = client.build_request(
            request.method,
            request.path,
            content=request.body,
            headers=request.headers,
            extensions=extensions,
        )
        answer = await client.send(built, stream=True)
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):
        outcome.statuses[-1] += 1  # not even a request
        return
    except httpx.HTTPError as error:
        outcome.statuses[0] += 1
        outcome.wrong.append(f"{_named(request)}: {type(error).__name__}")
        return
    outcome.statuses[answer.status_code] += 1
    outcome.took("answer", began_s)
    text = await _read(answer)
    outcome.check_secrets(f"{text} {answer.headers}", _named(request))
    if answer.status_code >= 500 and answer.status_code != 503:
        outcome.wrong.append(f"{_named(request)}: {answer.status_code} {text[:100]}")
    if any(trace in text for trace in TRACES):
        outcome.wrong.append(f"{_named(request)}: a traceback: {text[:300]}")
    if answer.status_code == 200 and "/call/" in request.path and request.method == "POST":
        await _follow(client, json.loads(text)["event_id"], outcome)


async def _send_oversize(url: str, request: Request, outcome: Outcome) -> None:
    """Send a body while reading the response; the time is that of the status line."""
    address = urlsplit(url)
    length = (
        "transfer-encoding: chunked" if request.chunked else f"content-length: {len(request.body)}"
    )
    head = (
        f"{request.method} {request.path} HTTP/1.1\r\nhost: {address.netloc}\r\n"
        f"content-type: application/json\r\n{length}\r\n\r\n"
    )

    async def write() -> None:
        writer.write(head.encode())
        for start in range(0, len(request.body), CHUNK):
            part = request.body[start : start + CHUNK]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if request.chunked else part)
            await writer.drain()
        if request.chunked:
            writer.write(b"0\r\n\r\n")

    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writing = asyncio.create_task(write())
    line = await reader.readline()
    took_s = time.monotonic() - began_s
    with contextlib.suppress(OSError):
        await writing
    writer.close()
    status = int(line.split()[1]) if line else 0
    outcome.statuses[status] += 1
    outcome.oversize_s.append(took_s)
    if status not in (413, 422) or took_s >= OVERSIZE_S:
        outcome.wrong.append(f"{_named(request)}: {status} after {took_s:.2f} s")


async def _read(answer: httpx.Response) -> str:
    """Return the body, or the beginning of an endless stream."""
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(0.3 if "event-stream" in str(answer.headers) else READ_S):
            async for part in answer.aiter_bytes():
                parts.append(part)
    except (TimeoutError, httpx.HTTPError):
        pass
    finally:
        await answer.aclose()
    return b"".join(parts).decode("utf-8", "replace")


async def _follow(client: httpx.AsyncClient, event_id: str, outcome: Outcome) -> dict[str, Any]:
    """Read an accepted call to its end, and return its last update."""
    last: dict[str, Any] = {}
    ended = "nothing"
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(FOLLOW_S):
            answer = await client.get(f"/gradio_api/call/complete/{event_id}", timeout=FOLLOW_S)
    except TimeoutError:
        outcome.wrong.append("a call did not end")
        return last
    outcome.took("call", began_s)
    outcome.check_secrets(answer.text, "a stream")
    if any(trace in answer.text for trace in TRACES):
        outcome.wrong.append(f"a traceback in a stream: {answer.text[-300:]}")
    for block in answer.text.split("\n\n"):
        name, _, data = block.partition("\ndata: ")
        if name == "event: error":
            ended = "refused by Gradio"
        elif name in ("event: generating", "event: complete") and (found := json.loads(data)):
            last = found[0]
            ended = last.get("event", "status")
            if ended == "error":
                ended = last["code"]
                if ended != "bad_input":
                    outcome.wrong.append(f"an error of the engine's: {last}")
    outcome.events[ended] += 1
    return last


def _judge_log(log: str, outcome: Outcome) -> None:
    outcome.check_secrets(log, "the log")
    if CANARY in log:
        place = log.index(CANARY)
        outcome.wrong.append(f"user text is in the log: {log[max(0, place - 200) : place]!r}")
    for line in log.splitlines():
        try:
            json.loads(line)
        except ValueError:
            outcome.wrong.append(f"a line of the log is not JSON: {line[:200]}")


def _named(request: Request) -> str:
    return f"{request.method} {request.path[:80]} {request.body[:160]!r} {request.headers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="with the bundled model")
    parsed = parser.parse_args()
    outcome = fuzz(parsed.requests, parsed.seed, REAL if parsed.real else SCRIPTED)
    print(outcome.as_text())
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
