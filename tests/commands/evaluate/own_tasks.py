"""Evaluation tasks written for these tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from codegemma_ui.commands.evaluate.results import TaskResult
from codegemma_ui.commands.evaluate.tasks import Task


def make_task(task_id: str = "own/add", **changes: str) -> Task:
    """Return a task: `add`, without its body."""
    values = {
        "prompt": "def add(a, b):\n",
        "suffix": "    return total\n",
        "canonical_solution": "    total = a + b\n",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
        "entry_point": "add",
    }
    return Task(task_id=task_id, **values | changes)


def write_dataset(path: Path, tasks: Sequence[Task]) -> Path:
    """Write a dataset as plain text, or gzip if its name says so."""
    content = "".join(f"{json.dumps(asdict(task))}\n" for task in tasks).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def result(**changes: object) -> TaskResult:
    values: dict[str, object] = {
        "task_id": "own/1",
        "middle": "",
        "stop_token": None,
        "exact_match": False,
        "edit_similarity": 0.5,
        "stopped": False,
        "parses": True,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "trimmed_tokens": 0,
        "seconds": 0.25,
    }
    return TaskResult(**values | changes)  # type: ignore[arg-type]
