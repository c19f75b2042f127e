"""Available memory: of the system, of a container, of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil

from codegemma_ui import machine

GB = 10**9
PROBE = "import json; from codegemma_ui import machine; print(json.dumps(machine.memory_bytes()))"


def memory() -> tuple[int, int]:
    found = machine.memory_bytes()
    assert found is not None
    return found


def test_the_limit_of_ulimit_counts() -> None:
    limited = ["sh", "-c", 'ulimit -v 4000000 && exec "$@"', "sh", sys.executable, "-c", PROBE]
    done = subprocess.run(limited, capture_output=True, check=True, encoding="utf-8", timeout=60)
    total, available = json.loads(done.stdout)
    assert total <= 4000000 * 1024
    assert available <= total


def test_what_the_system_says_is_what_it_has() -> None:
    total, available = memory()
    assert 0 < available <= total <= psutil.virtual_memory().total


def test_resident_memory_is_a_running_processs() -> None:
    before = machine.resident_bytes(os.getpid())
    held = b"x" * 10**8
    assert machine.resident_bytes(os.getpid()) - before > 0.9 * len(held)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert machine.resident_bytes(ended.pid) == 0
