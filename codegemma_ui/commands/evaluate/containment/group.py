"""The program's memory group, as the processes that contain it use it; `memory_group` has made its folder."""

from __future__ import annotations

import os
import sys

assert sys.platform == "linux"  # `execution` runs it nowhere else


class Group:
    """A group whose files are open: in other namespaces and another root it could not be entered any more.

    Args:
        folder: as `memory_group` gives it.

    Raises:
        OSError: it cannot be entered.
    """

    def __init__(self, folder: str) -> None:
        self._members = os.open(f"{folder}/cgroup.procs", os.O_WRONLY)
        self._events = os.open(f"{folder}/memory.events", os.O_RDONLY)
        child = os.fork()  # what it may do is known when it is done
        if child == 0:
            try:
                self.enter()
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1] != 0:
            raise PermissionError(f"no process can be put into {folder}")

    def enter(self) -> None:
        """Put this process into it, and those that it will start."""
        os.write(self._members, b"0")

    def was_full(self) -> bool:
        """Whether something in it was killed, since it held all that it may."""
        counts = dict(line.split() for line in os.pread(self._events, 4096, 0).splitlines())
        return int(counts.get(b"oom_kill", 0)) > 0
