"""Child processes and their descendants: isolated from our terminal, and killed together.

On POSIX both rely on a session of the child's own, whose group outlives it. Windows has process groups for
the terminal only, so descendants are looked up there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Any

import psutil


def detached() -> dict[str, Any]:
    """Return `subprocess.Popen` options for a child that Ctrl+C in our terminal does not reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


class ProcessTree:
    """A process started with `detached()`, and its descendants.

    Args:
        pid: a child that has not been waited for.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = time.time()
        self._top: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):  # it may already have ended
            self._top = psutil.Process(pid)
            self._started = self._top.create_time()

    def kill(self) -> None:
        """Kill the whole tree at once, without waiting. Processes that have ended are skipped."""
        descendants = self._descendants()
        if sys.platform != "win32":  # includes orphans
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
        for process in filter(None, (self._top, *descendants)):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _descendants(self) -> list[psutil.Process]:
        if self._top is not None:
            with contextlib.suppress(psutil.Error):
                return list(self._top.children(recursive=True))
        return self._left_behind() if sys.platform == "win32" else []

    def _left_behind(self) -> list[psutil.Process]:
        """Return the children of a process that has ended: on Windows they keep its number."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.ppid() == self._pid and process.create_time() >= self._started:
                    found += [process, *process.children(recursive=True)]
        return found


def kill_descendants() -> None:
    """Kill all child processes of this process, recursively."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
