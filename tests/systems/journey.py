"""The page's client from start to end, under this process's profile; prints JSON.

`python -m tests.systems.journey` runs all steps; with `--leave` it starts a worker, prints the ids of its
processes, and waits to be killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from codegemma_ui.client import running
from codegemma_ui.client.choice import Choice
from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import Event
from codegemma_ui.machine import process_tree
from codegemma_ui.settings import Settings
from tests.systems.watching import runs, wait_until

running.GRACE_S = 0.2
WORKER = Path(__file__).with_name("line_worker.py")


def client() -> EngineClient:
    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    return EngineClient(Settings(backend="jax"), command)


def ready(engine: EngineClient) -> None:
    wait_until(lambda: engine.status().state == "ready")


def family() -> list[psutil.Process]:
    """Return the descendants of this process."""
    return psutil.Process().children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    wait_until(lambda: not any(runs(one.pid) for one in processes))
    return True


async def complete(engine: EngineClient, prefix: str, **raw: object) -> list[Event]:
    return [event async for event in engine.complete({"prefix": prefix, **raw})]


async def stop(engine: EngineClient) -> list[Event]:
    events = []
    async for event in engine.complete({"prefix": "slow"}):
        events.append(event)
        if len(events) == 5:
            engine.cancel()
    return events


def last(events: list[Event]) -> dict[str, Any]:
    return {"event": events[-1].event, "middle": getattr(events[-1], "middle", None)}


def walk() -> dict[str, Any]:
    seen = vars(process_tree)["os"]  # as our modules see it
    told: dict[str, Any] = {
        "platform": vars(process_tree)["sys"].platform,
        "killpg": hasattr(seen, "killpg"),
        "sched_getaffinity": hasattr(seen, "sched_getaffinity"),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        engine = client()
        engine.start()
        ready(engine)
        first = family()
        told["started"] = len(first)
        told["completed"] = last(asyncio.run(complete(engine, "# 한글 é 😀")))
        told["stopped"] = last(asyncio.run(stop(engine)))["event"]
        engine.switch(backend="tensorflow")
        wait_until(lambda: engine.status().backend == "tensorflow")
        ready(engine)
        told["old worker gone"] = gone(first)
        second = family()
        told["hung"] = last(asyncio.run(complete(engine, "hang", time_limit_s=0.2)))["event"]
        told["hung worker gone"] = gone(second)
        ready(engine)
        told["completed after"] = last(asyncio.run(complete(engine, "again")))
        third = family()
        engine.close()
        told["closed"] = gone(third)
        os.chdir("/")
    return told


def main() -> None:
    if "--leave" in sys.argv:
        engine = client()
        engine.start()
        ready(engine)
        print(json.dumps([one.pid for one in family()]), flush=True)
        time.sleep(3600)
    print(json.dumps(walk()))


if __name__ == "__main__":
    main()
