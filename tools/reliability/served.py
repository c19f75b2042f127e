"""A playground in its own process, for one scenario."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tools.reliability import processes

ROOT = Path(__file__).parent.parent.parent

REAL, SCRIPTED = "real", "scripted"


@dataclass(frozen=True)
class Served:
    """A running playground.

    Attributes:
        url: with a trailing slash.
        pid: of the page's process.
        folder: holds `log`, its output, and `journal`, the notes of scripted workers.
    """

    url: str
    pid: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def journal(self) -> list[dict[str, Any]]:
        """Return the notes of the scripted workers, in order."""
        path = self.folder / "journal"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def workers(self) -> list[int]:
        """Return the living worker processes."""
        return processes.children(self.pid)

    def status(self) -> dict[str, Any]:
        """Return the response of `/status`."""
        answer = httpx.post(f"{self.url}gradio_api/run/status", json={"data": []}, timeout=30)
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()["data"][0]
        return status

    def wait_until_ready(self, timeout_s: float = 120.0) -> float:
        """Wait until the model serves and nothing is in progress; return the seconds."""
        return processes.wait_until(lambda: self.status()["state"] == "ready", timeout_s)

    def wait_until_warm(self, timeout_s: float = 300.0) -> None:
        """Wait until nothing is left to compile; a scripted worker has nothing."""
        processes.wait_until(lambda: self.status()["warm"] in (None, 1), timeout_s)


@contextlib.contextmanager
def serving(
    engine: str = SCRIPTED,
    *flags: str,
    worker: Sequence[str] = (),
    command: Sequence[str] | None = None,
) -> Iterator[Served]:
    """Start a playground, and stop it at the end of the block.

    Args:
        engine: "real", the bundled model, or "scripted".
        flags: of `app.py`.
        worker: options of the scripted worker.
        command: starts it instead.
    """
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        folder = Path(name)
        if command is None:
            command = [sys.executable, "app.py"]
            if engine == SCRIPTED:
                command = [sys.executable, "-m", "tools.reliability.scripted_app"]
        command = [*command, "--port", "0", "--openai-api", *flags]
        if engine == SCRIPTED:
            command += ["--", "--journal", str(folder / "journal"), *worker]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield Served(_address(process, folder / "log"), process.pid, folder)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = re.search(r"http://\S+", log.read_text(errors="replace"))
        if found:
            return found[0].rstrip("/") + "/"
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the playground did not start:\n{log.read_text(errors='replace')}")
