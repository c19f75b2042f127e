"""The program's memory group, for the containing processes; `memory_group` creates its folder."""

from __future__ import annotations

import os
import sys

assert sys.platform == "linux"  # `execution` runs it nowhere else


class Group:
    """A group whose files are kept open: from other namespaces and another root they would be inaccessible.

    Args:
        folder: from `memory_group`.

    Raises:
        OSError: it cannot be entered.
    """

    def __init__(self, folder: str) -> None:
        self._members = os.open(f"{folder}/cgroup.procs", os.O_WRONLY)
        self._events = os.open(f"{folder}/memory.events", os.O_RDONLY)
        child = os.fork()  # only a trial shows whether it may
        if child == 0:
            try:
                self.enter()
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1] != 0:
            raise PermissionError(f"no process can be put into {folder}")

    def enter(self) -> None:
        """Move this process, and its future children, into the group."""
        os.write(self._members, b"0")

    def was_full(self) -> bool:
        """Return whether a process in it was killed for exceeding the memory limit."""
        counts = dict(line.split() for line in os.pread(self._events, 4096, 0).splitlines())
        return int(counts.get(b"oom_kill", 0)) > 0
