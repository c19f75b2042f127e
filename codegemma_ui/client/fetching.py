"""Where a preset's folder is, fetched first if need be by a process that a cancel can kill."""

from __future__ import annotations

import logging
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from codegemma_ui.client.switch import Switch
from codegemma_ui.errors import DownloadFailed
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from codegemma_ui.ipc.parent import LineProcess, environment
from codegemma_ui.machine import OPENAI

log = logging.getLogger(__name__)


def fetch(switch: Switch) -> Path:
    """The folder of the target's preset. For a server to ask, its vocabulary alone.

    Raises:
        DownloadFailed: its code says why.
        SwitchCancelled: meanwhile.
    """
    preset = switch.target.preset
    if preset.local:
        return Path(preset.handle)
    switch.report("downloading")
    only = VOCABULARY_FILE.as_posix() if switch.target.backend == OPENAI else None
    return _download(preset.handle, only, switch)


def _download(handle: str, only: str | None, switch: Switch) -> Path:
    outcome: Future[dict[str, Any]] = Future()

    def on_message(message: dict[str, Any]) -> None:
        if message.get("event") == "progress":
            total = message.get("total_bytes")
            received = message.get("received_bytes") or 0
            switch.progress = min(1.0, received / total) if total else None
        elif not outcome.done():
            outcome.set_result(message)

    def on_exit(code: int) -> None:
        if not outcome.done():
            outcome.set_result(
                {
                    "event": "error",
                    "message": f"The download ended unexpectedly (exit code {code}).",
                    "hint": "Try again. If it fails again, the log of the server has the details.",
                }
            )

    command = [sys.executable, "-m", "codegemma_ui.download", handle]
    command += ["--only", only] if only else []
    process = LineProcess(command, environment(), on_message, on_exit)
    switch.waits_for(process)
    message = outcome.result()
    switch.waits_for(None)
    switch.progress = None
    process.stop()
    switch.stop_if_cancelled()
    if message.get("event") != "downloaded":
        if words := process.stderr_tail.strip():
            log.warning("download: %s", words[-2000:])
        raise DownloadFailed(
            str(message.get("message", "")), str(message.get("hint", "")), message.get("code")
        )
    return Path(message["path"])
