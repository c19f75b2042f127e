"""What memory there is: the system's, a container's, a process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codegemma_ui import machine

GB = 10**9
PROBE = "import json; from codegemma_ui import machine; print(json.dumps(machine.memory_bytes()))"


def memory() -> tuple[int, int]:
    found = machine.memory_bytes()
    assert found is not None
    return found


@pytest.mark.parametrize(
    "files",
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_a_containers_limit_counts(
    files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    total, _ = memory()
    limit, used = (tmp_path / file for file in files)
    limit.parent.mkdir(exist_ok=True)
    limit.write_text(f"{GB}\n", encoding="ascii")
    used.write_text(f"{GB // 4}\n", encoding="ascii")
    assert memory() == (GB, GB - GB // 4)
    for endless in ("max\n", "9223372036854771712\n"):  # no limit, as v2 and v1 write it
        limit.write_text(endless, encoding="ascii")
        assert memory()[0] == total


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
