"""Groups of processes with a limit on their memory, where one may make them (cgroups, as root)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PLACES = ((ROOT / "memory", "memory.limit_in_bytes"), (ROOT, "memory.max"))
"""Where a group is made and the file that takes its limit: cgroups version 1, then 2."""


class NoGroups(Exception):
    """This system does not let us make one."""


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """A group whose processes have so much memory together; it goes when they have ended.

    Raises:
        NoGroups: with the system's words.
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
    """The command that runs another one in a group; that one itself where there is none."""
    if group is None:
        return list(command)
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def _remove(group: Path) -> None:
    """Its processes may take a moment to be gone."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)
