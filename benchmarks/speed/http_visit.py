"""The page and llama.cpp's own server, each asked the same over HTTP, in turns.

A visit starts the page twice, with nothing compiled and with what the first start kept, then once more for
several streams at once. Both servers wait between requests; the cores are the same for both and for the
client.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pages
from benchmarks.speed import conversation, http_requests
from benchmarks.speed.conversation import Conversation, SubjectFailed
from benchmarks.speed.http_requests import Connection, Timed
from benchmarks.speed.plan import Plan
from benchmarks.speed.prompts import Prompt, Prompts
from codegemma_ui.ipc import parent

STREAMS = 8
FIRST_TOKENS = 15
LOOK_S = 0.05


@dataclass(frozen=True)
class Start:
    """One start of a server.

    Attributes:
        kind: "nothing kept", "programs kept", or "peer".
        first_s: seconds from starting the process to its first whole completion.
        compiled_s: seconds from there to the moment when nothing is left to compile; 0 of a peer.
    """

    kind: str
    first_s: float
    compiled_s: float


@dataclass(frozen=True)
class Exchange:
    """One request to both servers.

    Attributes:
        request: its name in the table.
        ours: the page's times.
        peer: the other server's; of `/infill` for `/complete`, which only the page has.
    """

    request: str
    ours: Timed
    peer: Timed


@dataclass(frozen=True)
class Together:
    """One stream, and several at once: tokens a second of all of them together.

    Attributes:
        server: "page" or "peer".
        one: of a single stream.
        many: of `STREAMS`.
    """

    server: str
    one: float
    many: float


@dataclass(frozen=True)
class Found:
    """The results of one visit."""

    starts: Sequence[Start]
    exchanges: Sequence[Exchange]
    together: Sequence[Together]


Ask = Callable[[Connection, Prompt, int], Timed]
_REQUESTS: tuple[tuple[str, int, Ask, Ask], ...] = (
    ("/infill, 22 in", 22, http_requests.infill, http_requests.infill),
    ("/infill, 200 in", 200, http_requests.infill, http_requests.infill),
    ("/v1/completions, 22 in", 22, http_requests.v1_completions, http_requests.v1_completions),
    ("/complete, 22 in", 22, http_requests.complete, http_requests.infill),
)


def visit(
    page_command: Sequence[str],
    peer_command: Sequence[str],
    threads: int,
    plan: Plan,
    prompts: Prompts,
    limit_s: float,
) -> Found:
    """Measure everything once.

    Args:
        page_command: starts the page on a free port.
        peer_command: starts llama.cpp's server on a free port, without `--slots`.
        threads: cores that each may use.
        plan: its `http_*` attributes.
        prompts: of the model's vocabulary.
        limit_s: of a server's life.

    Raises:
        SubjectFailed: a server did.
    """
    with conversation.scratch_folder() as scratch:
        environment = parent.environment() | {
            "OMP_NUM_THREADS": str(threads),
            "XDG_CACHE_HOME": scratch,
        }
        first = prompts.window_text(22, 0)
        starts = []

        def page(*flags: str) -> contextlib.AbstractContextManager[Connection]:
            return _page([*page_command, *flags], environment)

        with _timed_start("nothing kept", page, first, limit_s) as (start, _):
            starts.append(start)
        with (
            _timed_start("programs kept", page, first, limit_s) as (start, ours),
            _peer(peer_command, 1, threads, first, limit_s) as (peer_s, peer),
        ):
            starts += [start, Start("peer", peer_s, 0.0)]
            exchanges = list(_exchanges(ours, peer, plan, prompts))
        together = []
        if plan.http_stream_tokens:
            with page("--max-concurrency", str(STREAMS)) as ours:
                _wait_until_compiled(ours, limit_s)
                together.append(_together("page", ours, plan, prompts))
            with _peer(peer_command, STREAMS, threads, first, limit_s) as (_, peer):
                together.append(_together("peer", peer, plan, prompts))
    return Found(starts, exchanges, together)


@contextlib.contextmanager
def _page(command: Sequence[str], environment: dict[str, str]) -> Iterator[Connection]:
    try:
        with pages.serving(command, environment) as served:
            yield Connection(served.url)
    except pages.NotServed as error:
        raise SubjectFailed(str(error)) from error


@contextlib.contextmanager
def _timed_start(
    kind: str,
    page: Callable[[], contextlib.AbstractContextManager[Connection]],
    prompt: Prompt,
    limit_s: float,
) -> Iterator[tuple[Start, Connection]]:
    """Start the page, complete once as soon as it listens, and wait until nothing is left to compile."""
    begun = time.perf_counter()
    with page() as ours:
        _wait_until(lambda: _answers(ours, prompt), ours, limit_s)
        first_s = time.perf_counter() - begun
        _wait_until_compiled(ours, limit_s)
        yield Start(kind, first_s, time.perf_counter() - begun - first_s), ours


def _answers(page: Connection, prompt: Prompt) -> bool:
    """Complete; whether the model was there already."""
    try:
        http_requests.infill(page, prompt, FIRST_TOKENS)
    except http_requests.NotYet:
        return False
    return True


@contextlib.contextmanager
def _peer(
    command: Sequence[str], slots: int, threads: int, prompt: Prompt, limit_s: float
) -> Iterator[tuple[float, Connection]]:
    """Start llama.cpp's server; the seconds are to its first whole completion."""
    with _peer_process([*command, "--slots", str(slots)], threads, limit_s) as talk:
        connection = Connection(talk.expect("bench", "ready")["url"])
        http_requests.infill(connection, prompt, FIRST_TOKENS)
        yield talk.elapsed_s, connection


@contextlib.contextmanager
def _peer_process(command: Sequence[str], threads: int, limit_s: float) -> Iterator[Conversation]:
    with conversation.scratch_folder() as scratch:
        environment = conversation.environment(threads, "cpu", scratch)
        with Conversation(command, environment, limit_s) as talk:
            yield talk


def _wait_until_compiled(page: Connection, limit_s: float) -> None:
    def compiled() -> bool:
        said = http_requests.status(page)
        return (said["state"], said["warm"]) == ("ready", 1.0)

    _wait_until(compiled, page, limit_s)


def _wait_until(is_so: Callable[[], bool], page: Connection, limit_s: float) -> None:
    """Wait for the page's model.

    Raises:
        SubjectFailed: it could not be loaded, or the time is up.
    """
    deadline = time.monotonic() + limit_s
    while not is_so():
        error = http_requests.status(page)["error"]
        if error:
            raise SubjectFailed(error["message"])
        if time.monotonic() > deadline:
            raise SubjectFailed(f"not ready after {limit_s:g} s")
        time.sleep(LOOK_S)


def _exchanges(
    ours: Connection, peer: Connection, plan: Plan, prompts: Prompts
) -> Iterator[Exchange]:
    """Ask both in turns; only pairs in which both generated all tokens are compared."""
    for name, length, ask_ours, ask_peer in _REQUESTS:
        ends, compared = time.monotonic() + plan.case_s, 0
        for number in range(1, 8 * plan.http_pairs):
            prompt = prompts.window_text(length, number)
            ways = [(ask_ours, ours), (ask_peer, peer)]
            turns = ways if number % 2 else ways[::-1]
            times = [ask(server, prompt, plan.http_tokens) for ask, server in turns]
            if all(one.tokens == plan.http_tokens for one in times):
                one, other = times if number % 2 else times[::-1]
                yield Exchange(name, one, other)
                compared += 1
            if compared == plan.http_pairs or (compared and time.monotonic() > ends):
                break


def _together(name: str, server: Connection, plan: Plan, prompts: Prompts) -> Together:
    one = _streams(server.url, 1, plan, prompts)
    return Together(name, one, _streams(server.url, STREAMS, plan, prompts))


def _streams(url: str, count: int, plan: Plan, prompts: Prompts) -> float:
    """Return the tokens a second of so many streams together; each asks again as soon as it is answered."""
    tokens = [0] * count
    failures: list[SubjectFailed] = []
    begun = time.perf_counter()

    def stream(number: int) -> None:
        connection = Connection(url)
        try:
            for turn in range(plan.http_stream_turns):
                prompt = prompts.window_text(22, 1000 + number * plan.http_stream_turns + turn)
                timed = http_requests.infill(connection, prompt, plan.http_stream_tokens)
                tokens[number] += timed.tokens
        except SubjectFailed as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=stream, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(tokens) / (time.perf_counter() - begun)


def page_command(folder: Path, backend: str, dtype: str, threads: int) -> list[str]:
    """Return the command of a page that serves programs too, on a free port."""
    pinned = (sys.executable, "-m", "benchmarks.speed.pinned", str(threads))
    flags = ("--preset", str(folder), "--backend", backend, "--dtype", dtype)
    return [*pinned, "codegemma_ui", *flags, "--port", "0", "--openai-api"]
