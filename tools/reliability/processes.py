"""Processes on Linux: parents and children, and their resources."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PAGE_MB = os.sysconf("SC_PAGESIZE") / 2**20


@dataclass(frozen=True)
class Usage:
    """The resources of one process.

    Attributes:
        descriptors: open files and pipes, without connections, which vary with the visitors.
    """

    resident_mb: float
    descriptors: int
    threads: int


def usage(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return Usage(
        resident_mb=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=len([one for one in _targets(folder / "fd") if not one.startswith("socket:")]),
        threads=int(status["Threads"]),
    )


def _targets(folder: Path) -> list[str]:
    found = []
    for each in folder.iterdir():
        try:
            found.append(str(each.readlink()))
        except OSError:
            continue
    return found


def _stat(pid: str) -> list[str]:
    """Return state, parent, group and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _all() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = _stat(folder.name)
        except OSError:
            continue
    return found


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    return [one for one, stat in _all().items() if int(stat[1]) == pid and stat[0] != "Z"]


def tree(root: int) -> set[int]:
    """Return a process and its living descendants."""
    children: dict[int, list[int]] = {}
    for one, stat in _all().items():
        if stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(one)
    found, left = set(), [root]
    while left:
        one = left.pop()
        found.add(one)
        left += children.get(one, ())
    return found


def sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    try:
        targets = _targets(Path(f"/proc/{pid}/fd"))
    except OSError:  # it has just ended
        return set()
    return {one[len("socket:[") : -1] for one in targets if one.startswith("socket:[")}


def resident_mb(pid: int) -> float:
    """Return the resident memory in MB; cheaper than `usage`, for frequent calls.

    Raises:
        OSError: it has ended.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB


def group(leader: int) -> list[int]:
    """Return the living members of a process group."""
    return [one for one, stat in _all().items() if int(stat[2]) == leader and stat[0] != "Z"]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> float:
    """Wait until a condition holds, and return the seconds.

    Raises:
        TimeoutError: it does not hold in time.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s")
        time.sleep(0.01)
    return time.monotonic() - started
