"""Fill every text that a visitor may send, and watch the page's memory: `python -m tools.fuzz.memory`.

Each request is about as long as allowed, comes from an unknown session, and eight are sent at a time. The
page's memory is watched during the whole run. By default this sends `--requests` of each kind that once took
unbounded memory; `tests/server/test_memory.py` sends a few of every kind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx

from tests.server.scripted_page import Page, serving, wait_until
from tools.reliability.figures import Figure
from tools.reliability.watches.hangs import HangWatch
from tools.reliability.watches.memory import MemoryWatch

BYTES = 4_900_000
"""Of a text as encoded in a body."""

MCP_BYTES = 3_900_000
"""The same for MCP, whose library (1.28) takes bodies of 4 MiB."""

HANG_S = 10.0
"""Seconds in which the page must respond meanwhile: a JSON text of 5 MB is parsed in one go."""

AT_ONCE = 8
REST_S = 3.0
ANSWER_S = 60.0

SESSION = b"the-session"
"""Placeholder in a body for the session's name, which differs for each request."""

_TEXT_TYPES = ("code", "textbox", "api")
"""Components that hold a text, by their names in `/config`."""

ONCE = (
    *("count", "show_recording", "ask", "restore", "first", "session_hash", "/v1/", "/infill"),
    *("show_completion", "mcp", "sessions"),
)
"""Prefixes of the kinds that once took unbounded memory."""


@dataclass(frozen=True)
class Kind:
    """Requests that differ only in their texts.

    Attributes:
        bodies: used in turn, with `SESSION` for the session's name.
        short: the same with a short text, to warm up the page.
        listens: whether it is an event whose end is read at another address; half of the callers do.
    """

    name: str
    path: str
    bodies: tuple[bytes, ...]
    short: bytes
    listens: bool = False
    headers: dict[str, str] = field(default_factory=dict)


# Texts, as between the quotes of a JSON string


def _repeated(part: str, size: int) -> str:
    return part * (size // len(json.dumps(part, ensure_ascii=False).encode()[1:-1]))


def recording(tokens: int) -> dict[str, Any]:
    """Return a made-up completion of so many tokens, as kept by a page."""
    side = "가" * 100_000
    request = {"prefix": side, "suffix": side, "max_length": tokens}
    return {
        "version": 1,
        "request": request,
        "ending": "LF",
        "segments": [["prefix", side], ["suffix", side]],
        "prompt": [[1, "x", "prefix", 0, 1]] * (tokens // 8),
        "trimmed": [0, 0, 0],
        "tokens": [[1, "x", "x", -0.5, 0.1, 0, []]] * tokens,
        "last": {
            **{"event": "done", "raw_output": "x", "stop_reason": "max_length"},
            **{"stop_token": None, "preset": "bundled", "backend": "jax", "dtype": "float32"},
            **{"ttft_s": None, "tokens_per_s": None},
        },
    }


def texts() -> tuple[str, ...]:
    """Return the texts that take most memory: wide characters, a JSON value with many parts, a recording with
    the most tokens that are accepted, lines."""
    shown = recording(30_000)
    asked = {"recording": shown, "request": shown["request"], "ending": "LF", "parent": None}
    many = ",".join(["[]"] * (BYTES // 3))
    return (
        _repeated("가나 x = 1\n", BYTES - 4) + "🦙",
        f'{{"recording":[{many}]}}',
        json.dumps(asked, ensure_ascii=False, separators=(",", ":")),
        _repeated("\n", BYTES),
    )


# Kinds


def kinds(config: dict[str, Any]) -> list[Kind]:
    """Return every kind.

    Args:
        config: the response of the page's `/config`.
    """
    return [*_events(config), *_sessions(config), *_calls(), *_other_tools()]


def _bodies(value: dict[str, Any], texts: Iterable[str]) -> tuple[tuple[bytes, ...], bytes]:
    """Return bodies with each text in place of `TEXT`, and one with a short text."""
    return tuple(_body(value, text) for text in texts), _body(value, "x = 1")


def _body(value: dict[str, Any], text: str) -> bytes:
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    shell = json.dumps(value, ensure_ascii=False)
    assert shell.count(TEXT) == 1
    return shell.replace(TEXT, written).encode()


TEXT = "the-text"


def _events(config: dict[str, Any]) -> Iterator[Kind]:
    """Yield each event of the page, with each of its texts filled."""
    components = {each["id"]: each for each in config["components"]}
    filling = texts()
    for event in config["dependencies"]:
        if not event["backend_fn"]:
            continue
        inputs = [components[each] for each in event["inputs"]]
        for place, component in enumerate(inputs):
            if component["type"] not in _TEXT_TYPES:
                continue
            data = [each["props"].get("value") for each in inputs]
            data[place] = TEXT
            body = {"data": data, "fn_index": event["id"], "session_hash": SESSION.decode()}
            queued = event["queue"] is not False
            named = component["props"].get("elem_id") or component["props"].get("label")
            yield Kind(
                f"{event['api_name']}: {named}",
                "/gradio_api/queue/join" if queued else "/gradio_api/run/predict",
                *_bodies(body, filling),
                listens=queued,
            )


def _sessions(config: dict[str, Any]) -> Iterator[Kind]:
    """Yield sessions with a long name."""
    first = next(each for each in config["dependencies"] if each["backend_fn"])
    text = texts()[0]
    for path, further in (
        ("call/complete", {"data": ["x"]}),
        ("call/status", {"data": []}),
        ("run/status", {"data": []}),
        ("run/predict", {"data": [None] * len(first["inputs"]), "fn_index": first["id"]}),
        ("queue/join", {"data": [None] * len(first["inputs"]), "fn_index": first["id"]}),
    ):
        body = {**further, "session_hash": TEXT}
        yield Kind(f"session_hash: {path}", f"/gradio_api/{path}", *_bodies(body, [text]))


def _calls() -> Iterator[Kind]:
    """Yield calls of the public endpoint, by position and by name."""
    text = texts()[0]
    for name in ("prefix", "suffix", "path", "layout"):
        body = {"prefix": "x", "suffix": "", "max_length": 64, name: TEXT}
        path = "/gradio_api/call/v2/complete"
        yield Kind(f"call/v2/complete: {name}", path, *_bodies(body, [text]))
    listed = {"data": ["x", TEXT], "session_hash": SESSION.decode()}
    yield Kind("call/complete: suffix", "/gradio_api/call/complete", *_bodies(listed, [text]))


def _other_tools() -> Iterator[Kind]:
    """Yield requests to the OpenAI, llama.cpp and MCP routes."""
    wide, *_, lines = texts()
    for name in ("prompt", "suffix", "model", "stop"):
        body = {"prompt": "x", "max_tokens": 8, name: TEXT}
        filled = _bodies(body, (wide, lines))
        yield Kind(f"/v1/completions: {name}", "/v1/completions", *filled)
    for name in ("input_prefix", "input_suffix", "prompt"):
        body = {"input_prefix": "x", "input_suffix": "", "n_predict": 8, name: TEXT}
        filled = _bodies(body, (wide, lines))
        yield Kind(f"/infill: {name}", "/infill", *filled)
    extra = {"input_prefix": "x", "input_extra": [{"filename": "a.py", "text": TEXT}]}
    yield Kind("/infill: input_extra", "/infill", *_bodies(extra, [wide]))
    mcps = (_repeated("가나 x = 1\n", MCP_BYTES) + "🦙", _repeated("\n", MCP_BYTES))
    accept = {"accept": "application/json, text/event-stream"}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    named = {"name": "complete", "arguments": {"prefix": TEXT}}
    for name, value in (
        ("prefix", {**asked, "params": named}),
        ("tool", {**asked, "params": {**named, "name": TEXT, "arguments": {}}}),
        ("argument", {**asked, "params": {**named, "arguments": {"prefix": "x", TEXT: "x"}}}),
        ("id", {**asked, "id": TEXT, "params": {**named, "arguments": {"prefix": "x"}}}),
        ("method", {**asked, "method": TEXT}),
    ):
        filled = _bodies(value, mcps)
        yield Kind(f"mcp: {name}", "/gradio_api/mcp/", *filled, headers=accept)


# Sending


@dataclass
class Sent:
    """The result of a kind.

    Attributes:
        grown_mb, peak_mb: the page's memory above its idle level, afterwards and at its peak.
        failed: failures, in words.
    """

    kind: Kind
    statuses: Counter[int]
    failed: list[str]
    seconds: float
    grown_mb: float = 0.0
    peak_mb: float = 0.0

    def __str__(self) -> str:
        answers = ", ".join(f"{each} × {n}" for each, n in sorted(self.statuses.items()))
        return (
            f"     {self.kind.name}: {answers}; {self.grown_mb:+.0f} MB, "
            f"at most {self.peak_mb:+.0f} MB, {self.seconds:.1f} s"
        )


def send(http: httpx.Client, kind: Kind, count: int) -> Sent:
    """Send so many of a kind, several at a time."""
    sent = Sent(kind, Counter(), [], 0.0)
    began_s = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, body in zip(range(count), cycle(kind.bodies), strict=False):
            pool.submit(_send, http, sent, body, number % 2 == 0)
    sent.seconds = time.monotonic() - began_s
    return sent


def _send(http: httpx.Client, sent: Sent, body: bytes, listens: bool) -> None:
    kind, session = sent.kind, uuid.uuid4().hex
    content = body.replace(SESSION, session.encode())
    try:
        headers = {"content-type": "application/json", **kind.headers}
        status = http.post(kind.path, content=content, headers=headers).status_code
        if kind.listens and status == 200 and listens:
            _listen(http, session)
    except httpx.HTTPError as error:
        sent.failed.append(f"{kind.name}: {type(error).__name__}")
        return
    sent.statuses[status] += 1
    if status >= 500 and status != 503:
        sent.failed.append(f"{kind.name}: {status}")


def _listen(http: httpx.Client, session: str) -> None:
    """Read an event to its end."""
    with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
        for line in answer.iter_lines():
            if '"msg": "close_stream"' in line or '"msg":"close_stream"' in line:
                return


@contextlib.contextmanager
def a_page() -> Iterator[Page]:
    """Provide a page over the scripted worker, with every route open."""
    with serving("--openai-api", "--mcp", "--time-limit", "5") as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


def fill(page: Page, count: int, only: Sequence[str] = ()) -> tuple[list[Sent], list[Figure]]:
    """Send `count` of each kind, one kind after the other, to a page that has just started.

    Args:
        only: prefixes of the kinds to send; all, if empty.

    Returns:
        The result of each, and the figures of the watches.
    """
    with _used(page, only) as (http, chosen):
        done: list[Sent] = []
        memory = MemoryWatch("page", page.process.pid)
        hangs = HangWatch(page.url, HANG_S)
        with memory, hangs:
            for kind in chosen:
                sent = send(http, kind, count)
                sent.grown_mb, sent.peak_mb = memory.stage()
                done.append(sent)
                print(sent, flush=True)
    scenario = f"{count} of each of {len(done)} kinds"
    return done, [*memory.figures(scenario), *hangs.figures(scenario)]


def fill_at_once(page: Page, texts: int) -> tuple[list[Sent], list[Figure]]:
    """Send every kind with the first `texts` texts, several kinds at a time, to a page that has just started.

    Returns:
        As `fill`; the memory budget is that of `watches.memory`.
    """
    with _used(page, ()) as (http, chosen):
        done = [Sent(kind, Counter(), [], 0.0) for kind in chosen]
        memory, hangs = MemoryWatch("page", page.process.pid), HangWatch(page.url, HANG_S)
        with memory, hangs, ThreadPoolExecutor(AT_ONCE) as pool:
            for number in range(texts):
                for sent in done:
                    body = sent.kind.bodies[number % len(sent.kind.bodies)]
                    pool.submit(_send, http, sent, body, number % 2 == 0)
            pool.shutdown()
    return done, [*memory.figures("every kind"), *hangs.figures("every kind")]


@contextlib.contextmanager
def _used(page: Page, only: Sequence[str]) -> Iterator[tuple[httpx.Client, list[Kind]]]:
    """Provide a client and the kinds to send, each sent once before, so that the page has loaded
    everything."""
    limits = httpx.Limits(max_connections=2 * AT_ONCE, max_keepalive_connections=0)
    with httpx.Client(base_url=page.url, timeout=ANSWER_S, limits=limits, trust_env=False) as http:
        chosen = _chosen(kinds(http.get("/config").json()), only)
        for kind in chosen:
            _send(http, Sent(kind, Counter(), [], 0.0), kind.short, True)
        time.sleep(REST_S)
        yield http, chosen


def _chosen(every: Iterable[Kind], only: Sequence[str]) -> list[Kind]:
    return [one for one in every if not only or one.name.startswith(tuple(only))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz.memory", description=__doc__)
    parser.add_argument("--requests", type=int, default=16, help="of each kind; default 16")
    parser.add_argument("--all", action="store_true", help="every kind that there is")
    parser.add_argument("--only", action="append", default=[], help="kinds that begin so")
    parsed = parser.parse_args()
    only = parsed.only or (() if parsed.all else ONCE)
    with a_page() as page:
        sent, figures = fill(page, parsed.requests, only)
    failed = [each for one in sent for each in one.failed]
    for said in (*figures, *failed[:20]):
        print(said)
    sys.exit(bool(failed) or not all(figure.holds for figure in figures))


if __name__ == "__main__":
    main()
