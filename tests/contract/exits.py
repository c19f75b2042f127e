"""The exit code of each way in which a command can end, with a scripted worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent

ENDS = {
    "nothing is known of a flag": ("complete", "--nosuch"),
    "a value is none that there is": ("complete", "--layout", "nosuch"),
    "a number is too large": ("complete", "--prefix", "a", "--temperature", "9"),
    "two flags exclude each other": ("complete", "--prefix", "a", "--prefix-file", "b"),
    "a preset is unknown": ("complete", "--preset", "nosuch", "--prefix", "a"),
    "a backend is unknown": ("serve", "--backend", "nosuch"),
    "a file is not there": ("complete", "--prefix-file", "/no/such/file"),
    "a data set is not there": ("eval", "--dataset", "/no/such/file"),
    "what is required is not given": ("export",),
    "a port is none": ("serve", "--port", "x"),
    "help": ("--help",),
    "help of a command": ("complete", "--help"),
    "version": ("--version",),
    "presets": ("presets",),
    "presets as JSON": ("presets", "--json"),
    "a completion": ("complete", "--prefix", "a"),
    "a completion as JSON": ("complete", "--prefix", "a", "--json"),
}


def codes() -> dict[str, int]:
    """Return the exit code of each ending."""
    found = {name: _run(arguments).returncode for name, arguments in ENDS.items()}
    dies = _run(("complete", "--prefix", "crash"))
    fails = _run(("complete", "--prefix", "a"), SCRIPTED_WORKER="--fail tensorflow")
    return found | {
        "a worker dies": dies.returncode,
        "a model does not load": fails.returncode,
        "ctrl-C": _ended_by(lambda process: process.send_signal(signal.SIGINT)),
        "nobody reads": _ended_by(lambda process: process.stdout.close()),
    }


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "CODEGEMMA_UI" not in name}
    return kept | {"KERAS_BACKEND": "tensorflow"} | more


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "tests.support.scripted_shell", *arguments]


def _run(arguments: tuple[str, ...], **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(arguments),
        cwd=ROOT,
        env=_environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _ended_by(end: Callable[[Any], None]) -> int:
    """Return the exit code of a command that generates a token every 20 ms and is ended after its first."""
    process = subprocess.Popen(
        _command(("complete", "--prefix", "slow")),
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.read(1)
    end(process)
    return process.wait(60)
