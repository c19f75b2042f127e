"""A call that is told to end takes with it what it has started: an engine would hold the card."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

HUNG_ENGINE = """
import sys, time
from pathlib import Path
from tools.gpu import ending
from tools.gpu.worker import Engine, Worker
ending.with_children()
with Worker(Engine(backend="jax", module="tests.support.scripted_worker")) as worker:
    worker.complete([("hang", "x")], 64)
"""

PACKING = """
import time
from concurrent.futures import ProcessPoolExecutor
from tools.gpu import ending
ending.with_children()
with ProcessPoolExecutor(2) as pool:
    list(pool.map(time.sleep, [60, 60]))
"""


def assert_it_ends_with_all(command: Sequence[str], number: signal.Signals) -> None:
    """Start a call, end it by a signal once it has started something, and look for what is left."""
    call = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    below: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 30
        while not below:
            assert time.monotonic() < deadline
            assert call.poll() is None, call.stderr and call.stderr.read()
            below = psutil.Process(call.pid).children(recursive=True)
            time.sleep(0.02)
        begun = time.monotonic()
        os.kill(call.pid, number)
        assert call.wait(10) == -number
        assert time.monotonic() - begun < 5
        assert psutil.wait_procs(below, timeout=5)[1] == []
    finally:
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()
        call.kill()
        call.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("program", [HUNG_ENGINE, PACKING], ids=["engine", "packers"])
def test_what_it_has_started_ends_too(program: str, number: signal.Signals) -> None:
    assert_it_ends_with_all([sys.executable, "-c", program], number)


def test_a_measuring_process_ends_with_speed(tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path), "--small", "--backend", "jax", "--dtype", "int8"]
    assert_it_ends_with_all([sys.executable, "-m", "tools.gpu.speed", *flags], signal.SIGTERM)


@pytest.mark.parametrize(
    "call", ["correctness", "evaluate", "rehearsal", "speed", "text", "train", "wheels"]
)
def test_every_call_does_so(call: str) -> None:
    source = (ROOT / "tools" / "gpu" / f"{call}.py").read_text(encoding="utf-8")
    begin = source.partition('if __name__ == "__main__":\n')[2]
    assert begin.startswith("    ending.with_children()\n")
