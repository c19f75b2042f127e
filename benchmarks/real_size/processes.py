"""The model's process, its memory, and that of the compilers it starts."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import psutil

LOOK_S = 0.2


class NoWorker(Exception):
    """The model's process has ended."""


def worker_of(parent: psutil.Process) -> psutil.Process:
    """Return the model's process.

    Args:
        parent: the process that started it.

    Raises:
        NoWorker: it has ended.
    """
    for child in parent.children():
        with contextlib.suppress(psutil.Error):
            if any("worker" in word for word in child.cmdline()):
                return child
    raise NoWorker("the model's process has ended")


def peak_bytes(process: psutil.Process) -> int:
    """Return the peak resident memory of a process (Linux)."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


class Compilers:
    """The peak memory of all processes that a worker started, i.e. compilers.

    Args:
        parent: of the worker.
    """

    def __init__(self, parent: psutil.Process) -> None:
        self._parent, self._ended = parent, threading.Event()
        self.peak_bytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            with contextlib.suppress(psutil.Error, NoWorker):
                started = worker_of(self._parent).children(recursive=True)
                now = sum(one.memory_info().rss for one in started)
                self.peak_bytes = max(self.peak_bytes, now)
