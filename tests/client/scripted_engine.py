"""A client over the scripted worker, and helpers for its tests."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.ipc.messages import Event
from codegemma_ui.settings import Settings
from tests.support import WORKER


def make_client(*options: str | list[str], backend: str = "jax", **settings: Any) -> EngineClient:
    """Return a client over the scripted worker; a list among the options is read again at each start."""

    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        given = [one for each in options for one in ([each] if isinstance(each, str) else each)]
        return [sys.executable, str(WORKER), *named, *given]

    return EngineClient(Settings(backend=backend, **settings), command)


def wait_for(client: EngineClient, *states: str, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while client.status().state not in states:
        assert time.monotonic() < deadline, client.status()
        time.sleep(0.01)


def complete(client: EngineClient, **raw: object) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in client.complete(raw)]

    return asyncio.run(collect())


def worker_pids() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if WORKER.name in command and int(parent) == os.getpid():
            found.append(int(folder.name))
    return found
