"""Simulated systems, their environments, and processes that do not outlive a test."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systems import profiles

WORKER = Path(__file__).with_name("line_worker.py")


@pytest.fixture(params=profiles.SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def environ(system: str, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process on that system, with the scripted worker for jax."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -m ]; then shift 2; exec "{sys.executable}" "{WORKER}" "$@"; fi\n'
        f'exec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    ours = {"CODEGEMMA_UI_PYTHON_JAX": str(python), "CODEGEMMA_UI_BACKEND": "jax"}
    return profiles.environment(system, tmp_path, **ours)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Collect the processes that a test started; those still alive are killed."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()
