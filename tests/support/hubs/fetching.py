"""Downloads in a process of their own, as `python -m codegemma_ui.download` does them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.support import ROOT
from tests.support.hubs.server import TOKEN


@dataclass
class Run:
    """One finished `python -m codegemma_ui.download HANDLE`."""

    events: list[dict[str, Any]]
    exit_code: int
    output: str  # stdout and stderr, for secrets

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def received(self) -> list[int]:
        return [event["received_bytes"] for event in self.events if event["event"] == "progress"]


def start(
    handle: str, environment: dict[str, str], *flags: str, **options: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "codegemma_ui.download", handle, *flags],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def run(handle: str, environment: dict[str, str], *flags: str) -> Run:
    with start(handle, environment, *flags) as process:
        stdout, stderr = process.communicate(timeout=30)
    events = [json.loads(line) for line in stdout.splitlines()]
    assert [event["event"] for event in events[:-1]] == ["progress"] * (len(events) - 1), stderr
    result = Run(events, process.returncode, stdout + stderr)
    assert TOKEN not in result.output
    assert "Traceback" not in result.output
    if result.last["event"] == "error":
        assert result.exit_code == 1
        assert result.last["message"]
        assert result.last["hint"]
    else:
        assert result.last["event"] == "downloaded"
        assert result.exit_code == 0
    return result
