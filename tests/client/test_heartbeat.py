"""A hung worker is replaced at every stage, and waiting requests get an error."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegemma_ui.client import heartbeat
from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.ipc.messages import ErrorEvent, Event
from codegemma_ui.server import health
from codegemma_ui.server.observed import observe
from codegemma_ui.settings import Settings
from tests.client.scripted_engine import complete, wait_for, worker_pids
from tests.support import WORKER

pytestmark = pytest.mark.usefixtures("every_backend")

Start = Callable[..., EngineClient]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the heartbeat interval and the timeouts for the tests."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    monkeypatch.setattr(heartbeat, "QUIET_S", 0.3)
    monkeypatch.setattr(heartbeat, "SERVING_S", 1.5)
    monkeypatch.setattr(heartbeat, "COMING_UP_QUIET_S", 0.6)
    monkeypatch.setattr(heartbeat, "COMING_UP_S", 2.0)


@pytest.fixture
def start(short: None) -> Iterator[Start]:
    """Start a client whose workers get these options."""
    started: list[EngineClient] = []

    def begin(*options: str) -> EngineClient:
        def command(choice: Choice, folder: Path) -> list[str]:
            named = ("--preset", choice.preset.name, "--backend", choice.backend)
            return [sys.executable, str(WORKER), *named, *options]

        client = EngineClient(Settings(backend="jax", time_limit_s=60), command)
        started.append(client)
        client.start()
        return client

    yield begin
    for client in started:
        client.close()


def stop_worker() -> int:
    (pid,) = worker_pids()
    os.kill(pid, signal.SIGSTOP)
    return pid


def last_of(client: EngineClient, prefix: str, stop_after: int | None) -> Event:
    """Return the last event of a completion whose worker is stopped after that many events."""

    async def collect() -> Event:
        number, last = 0, None
        async for event in client.complete({"prefix": prefix, "max_length": 512}):
            number, last = number + 1, event
            if number == stop_after:
                stop_worker()
        assert last is not None
        return last

    return asyncio.run(collect())


def assert_told_and_served_again(client: EngineClient, last: Event) -> None:
    assert isinstance(last, ErrorEvent)
    assert last.code == "worker_died"
    assert "stopped responding" in last.message
    assert complete(client, prefix="after")[-1].event == "done"
    scraped = observe(client).page().decode()
    assert "codegemma_ui_worker_hangs_total 1.0" in scraped
    assert client.hangs == 1


def test_one_that_is_stopped_while_idle(start: Start) -> None:
    client = start()
    wait_for(client, "ready")
    stopped = stop_worker()
    assert_told_and_served_again(client, last_of(client, "echo", None))
    assert stopped not in worker_pids()


def test_an_idle_one_that_nobody_asks_is_replaced_too_and_health_tells(start: Start) -> None:
    client = start()
    wait_for(client, "ready")
    stopped = stop_worker()
    ok = 200, {"status": "ok", "state": "ready", "queue_length": 0}
    told: set[tuple[int, object]] = set()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        replaced = stopped not in worker_pids()
        code, body = report = health.report(client.status())
        told.add((code, body["status"]))
        if body["status"] == "quiet":
            assert "codegemma_ui_worker_quiet 1.0" in observe(client).page().decode()
        if replaced and report == ok:
            break
        time.sleep(0.05)
    else:
        pytest.fail(f"not replaced: {report}")
    assert (503, "quiet") in told
    assert complete(client, prefix="after")[-1].event == "done"


@pytest.mark.parametrize(
    ("prefix", "events"),
    [("prefill 5", 2), ("slow 0.02", 5), ("hang", 1)],
    ids=["prefilling", "decoding", "in a dispatch"],
)
def test_one_that_is_stopped_at_work(start: Start, prefix: str, events: int) -> None:
    client = start()
    wait_for(client, "ready")
    assert_told_and_served_again(client, last_of(client, prefix, events))


@pytest.mark.parametrize("load_s", ["0.05", "5"], ids=["starting", "loading"])
def test_one_that_is_stopped_while_it_comes_up_is_started_again(start: Start, load_s: str) -> None:
    client = start("--load-s", load_s)
    until = time.monotonic() + 10
    while not worker_pids() and time.monotonic() < until:
        time.sleep(0.002)
    if load_s == "5":
        wait_for(client, "loading")
        time.sleep(0.3)
    stopped = stop_worker()
    until = time.monotonic() + 10
    while health.report(client.status())[1]["status"] != "quiet" and time.monotonic() < until:
        time.sleep(0.02)
    code, body = health.report(client.status())
    assert (code, body["status"]) == (503, "quiet")
    last = last_of(client, "echo", None)
    assert last.event == "done"
    assert stopped not in worker_pids()
    assert client.hangs == 1


def test_what_is_sent_and_never_begun_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegemma_ui.client.running.GRACE_S", 0.2)
    client = start()
    wait_for(client, "ready")
    last = complete(client, prefix="unbegun", time_limit_s=0.1)[-1]
    assert_told_and_served_again(client, last)


def test_one_that_works_for_long_and_hears_is_left_alone(start: Start) -> None:
    client = start()
    wait_for(client, "ready")
    assert complete(client, prefix="deaf 2.5")[-1].event == "done"
    assert client.hangs == 0


def test_a_beat_that_comes_late_is_no_silence(short: None) -> None:
    ended: list[bool] = []
    beats = heartbeat.Heartbeat(
        lambda: beats.responded(), lambda: False, lambda: ended.append(True)
    )
    beats.serves()
    beats.start()
    time.sleep(2.5)
    beats.end()
    assert not ended
