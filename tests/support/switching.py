"""Shared by the tests of switching: an idle client, and the statuses that a page would see."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from codegemma_ui import machine
from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import DoneEvent, Status
from codegemma_ui.presets import BUNDLED
from tests.support.hubs import isolate_this_process

CODE_GEMMA = "code_gemma_2b_en"
MEGABYTE = 1_000_000


@contextlib.contextmanager
def at_rest(
    client: EngineClient, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EngineClient]:
    """One client for many tests, idle before and after each, with empty download caches.

    Any model except the target of the test may be loaded: restoring the bundled one each time would
    cost a start of the worker.
    """
    isolate_this_process(Path(tempfile.mkdtemp(dir=caches)), monkeypatch)
    # The names are those of large models, but a small one is served.
    monkeypatch.setattr(machine, "memory_bytes", lambda: (64 * 10**9, 64 * 10**9))
    if client.status().state == "failed":
        client.switch(preset=BUNDLED)
    wait_for(client, is_ready)
    yield client
    if client.status().state == "downloading":
        client.cancel_switch()
    wait_for(client, is_ready)


def is_ready(status: Status) -> bool:
    """Return whether it is idle: nothing runs or downloads."""
    return status.state == "ready" and status.switching_to is None


def is_on_the_way(status: Status) -> bool:
    """Return whether the download is partly done."""
    return status.state == "downloading" and 0 < (status.progress or 0) < 1


def loaded_other_than(target: str, client: EngineClient) -> str:
    """Return the name of the loaded model, after a switch to the bundled one if it is `target`."""
    if client.status().preset == target:
        client.switch(preset=BUNDLED)
    return str(wait_for(client, is_ready).preset)


def wait_for(
    client: EngineClient, condition: Callable[[Status], bool], timeout_s: float = 40.0
) -> Status:
    deadline = time.monotonic() + timeout_s
    while not condition(status := client.status()):
        assert status.state != "failed", status
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status


@contextlib.contextmanager
def watching(client: EngineClient) -> Iterator[list[Status]]:
    """Collect every status that a page would see if it polled fifty times a second."""
    seen: list[Status] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.append(client.status())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def complete(client: EngineClient) -> DoneEvent:
    async def last() -> Any:
        raw = {"prefix": "import ", "suffix": "\n\nprint(os.getcwd())\n", "max_length": 64}
        return [event async for event in client.complete(raw)][-1]

    event = asyncio.run(last())
    assert isinstance(event, DoneEvent), event
    return event


def downloads() -> list[int]:
    return children("-m codegemma_ui.download")


def children(command: str) -> list[int]:
    """Return the ids of this process's living children whose command contains this."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if command in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
