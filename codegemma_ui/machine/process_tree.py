"""A child process with whatever it starts: kept apart from our terminal, and ended together.

POSIX keeps both by a session of the child's own, whose group outlives it. Windows has a process group for the
terminal alone, so there the descendants are looked up.
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


def apart() -> dict[str, Any]:
    """Return the options of `subprocess.Popen` for a child that a Ctrl+C in our terminal does not reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


class ProcessTree:
    """A process that was started with `apart()`, and its descendants.

    Args:
        pid: of a child that nobody has waited for yet.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = time.time()
        self._top: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):  # it may have ended by now
            self._top = psutil.Process(pid)
            self._started = self._top.create_time()

    def kill(self) -> None:
        """Kill all of it at once. What has ended is passed over; nobody is waited for."""
        descendants = self._descendants()
        if sys.platform != "win32":  # also those whose own parent has ended
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
        """Return what a process that has ended had started: on Windows its children keep its number."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.ppid() == self._pid and process.create_time() >= self._started:
                    found += [process, *process.children(recursive=True)]
        return found


def kill_descendants() -> None:
    """Kill what this process has started."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
