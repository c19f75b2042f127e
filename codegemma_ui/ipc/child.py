"""The worker's end of the connection to the page: JSON objects, one per line, over stdin and stdout.

`workers/keras/worker.py` documents the messages, which all workers share.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

from codegemma_ui.errors import PlaygroundError
from codegemma_ui.ipc.messages import to_json


def take_stdout() -> Callable[[dict[str, Any]], None]:
    """Keep a private copy of fd 1 and point fd 1 at stderr, so that library output cannot corrupt messages.

    Returns:
        A function that writes one JSON object as a line.
    """
    private: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    lock = threading.Lock()

    def write(message: dict[str, Any]) -> None:
        with lock:
            private.write(to_json(message) + "\n")
            private.flush()

    return write


class Inbox:
    """Reader of stdin on a thread, so that cancellations and pings are handled while the model runs.

    Args:
        write: sends a message.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self._write = write
        self._requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, timeout_s: float | None) -> dict[str, Any] | None:
        """Return the next request, or None on timeout; without a timeout, wait indefinitely."""
        try:
            return self._requests.get(timeout_s != 0, timeout_s)
        except queue.Empty:
            return None

    def is_cancelled(self, request_id: str) -> bool:
        return request_id in self._cancelled

    def forget(self, request_id: str) -> None:
        """Forget a completed request, whose id will not recur."""
        self._cancelled.discard(request_id)

    def _read(self) -> None:
        try:
            for line in sys.stdin.buffer:
                message = json.loads(line)
                match message["op"]:
                    case "ping":
                        self._write({"worker": "alive"})
                    case "cancel":
                        self._cancelled.add(message["request_id"])
                    case _:
                        self._requests.put(message)
        finally:  # also where the page died in the middle of a line
            _end()


def _end() -> NoReturn:
    """Exit at once, with all child processes: the page is gone, and a library may be deep in C code."""
    if sys.platform == "win32":
        with contextlib.suppress(ImportError):  # a separate environment may lack psutil
            from codegemma_ui.machine.process_tree import kill_descendants

            kill_descendants()
    elif os.getpgrp() == os.getpid():  # the page starts workers as group leaders
        os.killpg(0, signal.SIGTERM)
    os._exit(0)


def write_failure(
    write: Callable[[dict[str, Any]], None], error: PlaygroundError, suspects_cache: bool = False
) -> None:
    """Report why loading failed; `suspects_cache` if it may work without the compiled programs."""
    write({"worker": "failed", **error.to_dict(), "suspects_cache": suspects_cache})
