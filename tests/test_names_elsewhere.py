"""Every name of the standard library that we use exists on macOS and Windows, or is guarded by a check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MISSING = "Module has no attribute"


def missing_names(platform: str, *sources: str) -> list[str]:
    """Return the names that mypy reports missing there, from typeshed; it reads no library, so it is
    quick."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--platform", platform]
    command += ["--follow-imports=skip", "--ignore-missing-imports", "--check-untyped-defs"]
    command += ["--cache-dir", f".mypy_cache/names-{platform}", *sources]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "checked" in done.stdout or "no issues found" in done.stdout
    return [line for line in done.stdout.splitlines() if MISSING in line]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_no_name_is_absent_there(platform: str) -> None:
    assert missing_names(platform, "codegemma_ui", "app.py", "benchmarks", "training") == []


def test_a_name_that_is_absent_is_told(tmp_path: Path) -> None:
    source = tmp_path / "killing.py"
    source.write_text("import os, signal\nos.killpg(1, signal.SIGKILL)\n", encoding="utf-8")
    assert len(missing_names("win32", str(source))) == 2
    assert missing_names("darwin", str(source)) == []
