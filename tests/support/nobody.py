"""Scripts run as a user without an entry in the password database."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import ROOT


def as_nobody(script: str, *arguments: str, **environ: str) -> str:
    """Return the output of a script run by such a user, with no home unless `environ` has one."""
    clean = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    command = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    done = subprocess.run(
        [*command, sys.executable, "-c", script, *arguments],
        env={**clean, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    return done.stdout.strip()


def can_be_nobody() -> bool:
    try:
        return as_nobody("print('here')") == "here"
    except (OSError, subprocess.SubprocessError):
        return False


needs_root = pytest.mark.skipif(
    not can_be_nobody(), reason="needs root, and a Python others may run"
)
