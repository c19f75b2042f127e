"""Process groups with a memory limit, where permitted (cgroups, as root)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PLACES = ((ROOT / "memory", "memory.limit_in_bytes"), (ROOT, "memory.max"))
"""The parent folder of a group, and the file of its limit: cgroups version 1, then 2."""


class NoGroups(Exception):
    """This system does not permit one."""


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """Provide a group with a shared memory limit; it is removed when its processes have ended.

    Raises:
        NoGroups: with the system's message.
    """
    why = "no cgroups are mounted"
    for root, file in PLACES:
        group = root / f"real-size-{os.getpid()}"
        try:
            group.mkdir()
            (group / file).write_text(str(limit_bytes), encoding="ascii")
        except OSError as error:
            why = str(error)
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group
        finally:
            _remove(group)
        return
    raise NoGroups(why)


def inside(group: Path | None, command: Sequence[str]) -> list[str]:
    """Return a command that runs another one in a group, or that command itself if there is no group."""
    if group is None:
        return list(command)
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def _remove(group: Path) -> None:
    """Remove a group, whose processes may take a moment to end."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)
