"""Every name of the standard library that we use is there on macOS and Windows, or stands behind a check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def checked(platform: str, *files: str) -> subprocess.CompletedProcess[str]:
    """mypy, as on that platform; it keeps what it knows of each in a folder of its own."""
    command = [sys.executable, "-m", "mypy", "--platform", platform]
    command += ["--cache-dir", f".mypy_cache/{platform}", *files]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=600)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_mypy_accepts_the_package(platform: str) -> None:
    done = checked(platform)
    assert done.returncode == 0, done.stdout


def test_mypy_tells_a_name_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "killing.py").write_text(
        "import os, signal\nos.killpg(1, signal.SIGKILL)\n", encoding="utf-8"
    )
    done = checked("win32", str(tmp_path / "killing.py"))
    assert 'Module has no attribute "killpg"' in done.stdout
    assert 'Module has no attribute "SIGKILL"' in done.stdout
