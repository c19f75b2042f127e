"""Shared by the rehearsals of a Space and of a container: a table of checks, and a memory watch."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HOLDS, DOES_NOT_HOLD, NOT_TRIED = 0, 1, 2
"""Exit codes."""

START_TIMEOUT_S = 300

NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Command prefix for root: an isolated network, separate mounts and processes."""


class NotTried(Exception):
    """Nothing could be rehearsed; the message says why, and what to do."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        holds: None if it could not be checked.
    """

    what: str
    wanted: str
    measured: str
    holds: bool | None


def report(rows: Iterable[Row]) -> int:
    """Print the table, and return the exit code."""
    rows = list(rows)
    signs = {True: "holds", False: "DOES NOT HOLD", None: "not told"}
    cells = [(row.what, row.wanted, row.measured, signs[row.holds]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    return DOES_NOT_HOLD if any(row.holds is False for row in rows) else HOLDS


def call(command: list[str], what: str, **options: object) -> str:
    """Return the output of a command.

    Raises:
        NotTried: it fails, with the end of its output.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, **options)  # type: ignore[call-overload]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotTried(f"{what} failed: {error}") from None
    if done.returncode:
        raise NotTried(f"{what} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return str(done.stdout)


def told_by(command: list[str], folder: Path, said: str = "") -> list[Row]:
    """Return the rows that another process prints as JSON on its last line.

    Args:
        folder: its working directory.
        said: its stdin.

    Raises:
        NotTried: it prints none.
    """
    try:
        done = subprocess.run(
            command, input=said, cwd=folder, stdout=subprocess.PIPE, text=True, timeout=900
        )
        return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotTried(f"{command[0]} failed: {error}") from None
    except (IndexError, ValueError):
        raise NotTried(f"{command[0]} ended with exit code {done.returncode}.") from None


def get(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Return status and body of a response on loopback, with any `Host`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> str:
    """Return the final state of `/healthz`, or how the process ended."""
    state, began = "silent", time.monotonic()
    while time.monotonic() - began < START_TIMEOUT_S and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            state = json.loads(get(port, "/healthz")[1])["state"]
        if state in ("ready", "failed"):
            return state
        time.sleep(0.2)
    code = process.poll()
    return state if code is None else f"ended with exit code {code}"


class Watch(threading.Thread):
    """Records the peak memory of a process and its descendants together; shared pages count in each.

    Attributes:
        over: ends it when set.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes, self.over, self._pid = 0, threading.Event(), pid

    def run(self) -> None:
        page = os.sysconf("SC_PAGESIZE")
        while not self.over.wait(0.2):
            now = sum(map(_resident_pages, family(self._pid))) * page
            self.peak_bytes = max(self.peak_bytes, now)


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((task / "children").read_text() for task in tasks).split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]
