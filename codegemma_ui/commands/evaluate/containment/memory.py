"""What the processes of a namespace hold in memory together."""

from __future__ import annotations

import os
import sys
from pathlib import Path

assert sys.platform == "linux"  # `execution` runs it nowhere else

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def is_over(limit: int, proc: Path = Path("/proc")) -> bool:
    """Whether all processes but the first hold more than these bytes.

    Pages that several of them share count once. That takes a while to find out, so it is only asked for where
    the sum that counts them each time is over.
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
    except (OSError, IndexError):  # it has ended meanwhile
        return 0


def _proportional_bytes(process: Path) -> int:
    """Of its own, and its part of what it shares (`Pss` of proc_pid_smaps(5))."""
    try:
        lines = (process / "smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError:  # not told
        return _resident_bytes(process)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
