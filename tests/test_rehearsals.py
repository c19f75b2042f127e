"""The rehearsals explain why they cannot run, and report the result by their exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import rehearsals
from tools.rehearsals import Row

ROOT = Path(__file__).parent.parent


def run(module: str, *flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *flags],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_exit_code_is_0_where_nothing_was_found_not_to_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Row("memory", "< 4 GB", "1 GB", True), Row("user", "1000", "0", None)]
    assert rehearsals.report(rows) == rehearsals.HOLDS
    assert capsys.readouterr().out.splitlines() == [
        "memory  < 4 GB  1 GB  holds",
        "user    1000    0     not told",
    ]
    rows.append(Row("port", "7860", "80", False))
    assert rehearsals.report(rows) == rehearsals.DOES_NOT_HOLD


def test_a_space_takes_the_python_of_its_front_matter(tmp_path: Path) -> None:
    done = run("tools.space.check", PATH=str(tmp_path))
    assert done.returncode == rehearsals.NOT_TRIED
    assert "python3.11 must be on the PATH" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_container_takes_root_and_debootstrap(tmp_path: Path) -> None:
    done = run("tools.container.check", PATH=str(tmp_path))
    assert done.returncode == rehearsals.NOT_TRIED
    assert "it takes root and debootstrap" in done.stderr
    assert "Traceback" not in done.stderr
    done = run("tools.container.check", "--build-arg", "CUDA")
    assert done.returncode == 2
    assert "--build-arg must be NAME=VALUE. Received: CUDA" in done.stderr


PARENT = """
import subprocess, sys
block = bytearray(80_000_000)
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
input()
child.communicate(b"\\n")
"""
CHILD = "block = bytearray(90_000_000); input()"


def test_the_memory_of_a_family_is_watched() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE)
    watch = rehearsals.Watch(process.pid)
    watch.start()
    try:
        for _ in range(200):
            if watch.peak_bytes > 170_000_000 or watch.over.wait(0.1):
                break
        assert 170_000_000 < watch.peak_bytes < 400_000_000
    finally:
        watch.over.set()
        process.communicate(b"\n")
