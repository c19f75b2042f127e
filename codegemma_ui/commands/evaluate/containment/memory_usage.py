"""Total memory of the processes in a namespace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

assert sys.platform == "linux"  # `execution` runs it nowhere else

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def is_over(limit: int, proc: Path = Path("/proc")) -> bool:
    """Return whether all processes but the first hold more than `limit` bytes.

    Pages shared by several of them count once. Determining that takes a while, so it is done only if the
    simple sum exceeds the limit.
    """
    processes = [
        folder for folder in proc.iterdir() if folder.name.isdigit() and folder.name != "1"
    ]
    return (
        sum(map(_resident_bytes, processes)) > limit
        and sum(map(_proportional_bytes, processes)) > limit
    )


def _resident_bytes(process: Path) -> int:
    try:
        return int((process / "statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, IndexError):  # it has ended
        return 0


def _proportional_bytes(process: Path) -> int:
    """Return a process's private memory plus its part of shared memory (`Pss` of proc_pid_smaps(5))."""
    try:
        lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError:  # unavailable
        return _resident_bytes(process)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
