"""The real worker over its own pipe."""

from __future__ import annotations

import os
import queue
import sys
from typing import Any

from codegemma_ui import presets
from codegemma_ui.ipc.parent import LineProcess


class Worker:
    """A worker process and its messages; events that came together are messages of their own."""

    def __init__(
        self,
        backend: str,
        preset: str = presets.BUNDLED,
        devices: int = 1,
        at_once: int = 1,
        **environ: str,
    ) -> None:
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.exit_codes: queue.Queue[int] = queue.Queue()
        command = [
            *(sys.executable, "-m", "codegemma_ui.workers.keras.worker"),
            *("--preset", preset, "--folder", str(presets.BUNDLED_FOLDER)),
            *("--backend", backend, "--dtype", "auto", "--context-length", "512"),
            *("--model-parallel", str(devices)),
            *("--max-concurrency", str(at_once)),
        ]
        self.process = LineProcess(command, os.environ | environ, self._take, self.exit_codes.put)

    def _take(self, message: dict[str, Any]) -> None:
        for each in message.get("events", [message]):
            self.messages.put(each)

    def until(self, key: str, *values: str) -> list[dict[str, Any]]:
        """Return all messages up to and including one whose `key` is one of `values`."""
        said: list[dict[str, Any]] = []
        while not said or said[-1].get(key) not in values:
            said.append(self.messages.get(timeout=180))
        return said

    def complete(self, request_id: str, **request: object) -> None:
        self.process.send({"op": "complete", "request_id": request_id, "request": request})
