"""An idle model is unloaded, and is loaded again with the next request."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent
from codegemma_ui.server import health
from codegemma_ui.server.metrics import Metrics
from codegemma_ui.settings import Settings
from tests.client.scripted_engine import complete, wait_for, worker_pids
from tests.support import WORKER

pytestmark = pytest.mark.usefixtures("every_backend")


@dataclass
class Clock:
    """A clock set by the test."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Idle:
    client: EngineClient
    clock: Clock
    options: list[str]
    """Of workers that start from now on."""

    def pass_minutes(self, minutes: float) -> None:
        self.clock.now_s += 60 * minutes
        self.client.sleep_if_idle()


@pytest.fixture
def idle() -> Iterator[Idle]:
    """Return a client whose model may be unloaded after 10 minutes."""
    options: list[str] = []

    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named, *options]

    clock = Clock()
    client = EngineClient(Settings(backend="jax", idle_minutes=10), command, clock)
    client.start()
    wait_for(client, "ready")
    yield Idle(client, clock, options)
    client.close()


def test_it_sleeps_after_so_long_and_the_next_request_wakes_it(idle: Idle) -> None:
    assert complete(idle.client, prefix="x")[-1].event == "done"
    idle.pass_minutes(9)
    assert idle.client.status().state == "ready"
    idle.pass_minutes(2)
    status = idle.client.status()
    assert (status.state, status.backend, status.dtype) == ("asleep", "jax", "float32")
    assert status.memory_bytes is None
    assert worker_pids() == []
    assert health.report(status) == (
        200,
        {"status": "ok", "state": "asleep", "queue_length": 0},
    )
    assert 'codegemma_ui_state{state="asleep"} 1.0' in Metrics(lambda: status, int).page().decode()
    done = complete(idle.client, prefix="again")[-1]
    assert isinstance(done, DoneEvent)
    assert done.middle == "again"
    assert idle.client.status().state == "ready"


def test_a_request_that_wakes_it_waits_in_the_queue_while_it_loads(idle: Idle) -> None:
    idle.pass_minutes(11)
    idle.options += ["--load-s", "0.5"]

    async def ask() -> tuple[int, str]:
        events = idle.client.complete({"prefix": "x"})
        first = asyncio.ensure_future(anext(events))  # type: ignore[arg-type]
        await asyncio.sleep(0.2)
        waiting = idle.client.status()
        await first
        await events.aclose()
        return waiting.queue_length, waiting.state

    assert asyncio.run(ask()) == (1, "loading")


def test_a_request_under_way_keeps_it_awake(idle: Idle) -> None:
    async def ask() -> str:
        events = idle.client.complete({"prefix": "slow"})
        await anext(events)
        idle.pass_minutes(60)
        state = idle.client.status().state
        await events.aclose()
        return state

    assert asyncio.run(ask()) == "busy"
    wait_for(idle.client, "ready")
    idle.pass_minutes(9)  # from its end on
    assert idle.client.status().state == "ready"


def test_a_load_that_fails_when_it_wakes_is_told(idle: Idle) -> None:
    idle.pass_minutes(11)
    idle.options += ["--fail", "jax"]
    told = complete(idle.client, prefix="x")[-1]
    assert isinstance(told, ErrorEvent)
    assert (told.code, told.message) == ("load_failed", "scripted")
    assert idle.client.status().state == "failed"
    assert health.report(idle.client.status())[0] == 503


def test_a_switch_wakes_the_other_choice(idle: Idle) -> None:
    idle.pass_minutes(11)
    idle.client.switch(backend="tensorflow")
    wait_for(idle.client, "ready")
    assert idle.client.status().backend == "tensorflow"


def test_the_same_choice_wakes_it(idle: Idle) -> None:
    idle.pass_minutes(11)
    idle.client.switch(backend="jax")
    wait_for(idle.client, "ready")


def test_it_looks_by_itself() -> None:
    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    client = EngineClient(Settings(backend="jax", idle_minutes=0.2 / 60), command)
    client.start()
    try:
        wait_for(client, "asleep")
    finally:
        client.close()


def test_without_the_setting_it_never_sleeps() -> None:
    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    clock = Clock()
    client = EngineClient(Settings(backend="jax"), command, clock)
    client.start()
    try:
        wait_for(client, "ready")
        clock.now_s = 1e9
        client.sleep_if_idle()
        time.sleep(0.05)
        assert client.status().state == "ready"
    finally:
        client.close()
