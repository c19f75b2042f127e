"""Tasks of our own, and a client whose worker echoes the prefix as the middle."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.settings import Settings
from tests.support import WORKER


def make_task(task_id: str = "own/add", **changes: str) -> Task:
    """`add`, whose body is missing."""
    values = {
        "prompt": "def add(a, b):\n",
        "suffix": "    return total\n",
        "canonical_solution": "    total = a + b\n",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
        "entry_point": "add",
    }
    return Task(task_id=task_id, **values | changes)


def write_dataset(path: Path, tasks: Sequence[Task]) -> Path:
    """Plain, or gzip where the name says so."""
    content = "".join(f"{json.dumps(asdict(task))}\n" for task in tasks).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def make_client() -> Iterator[Callable[[], EngineClient]]:
    """Makes clients of the scripted worker, not started yet, and closes them at the end."""
    clients: list[EngineClient] = []

    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    def make() -> EngineClient:
        clients.append(EngineClient(Settings(backend="jax"), command))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
