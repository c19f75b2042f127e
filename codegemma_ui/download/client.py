"""Client of the download process: start it, follow it, return the folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from codegemma_ui.errors import DownloadFailed
from codegemma_ui.ipc.parent import LineProcess, environment
from codegemma_ui.presets import Preset

log = logging.getLogger(__name__)


def fetch(
    preset: Preset,
    report: Callable[[int, int | None], None],
    only: str | None = None,
    started: Callable[[LineProcess], None] = lambda _: None,
) -> Path:
    """Return a preset's folder, downloading it first if needed.

    Args:
        preset: preset to fetch.
        report: called on another thread with received and total bytes; the total is None while unknown.
        only: path inside the preset of the only file needed.
        started: called with the process, which may be killed to cancel.

    Raises:
        DownloadFailed: its code says why.
    """
    if preset.local:
        return Path(preset.handle)
    outcome: Future[dict[str, Any]] = Future()

    def on_message(message: dict[str, Any]) -> None:
        if message.get("event") == "progress":
            report(message.get("received_bytes") or 0, message.get("total_bytes"))
        elif not outcome.done():
            outcome.set_result(message)

    def on_exit(code: int) -> None:
        if not outcome.done():
            outcome.set_result(
                {
                    "message": f"The download ended unexpectedly (exit code {code}).",
                    "hint": "Try again. If it fails again, the log has the details.",
                }
            )

    command = [sys.executable, "-m", "codegemma_ui.download", preset.handle]
    command += ["--only", only] if only else []
    process = LineProcess(command, environment(), on_message, on_exit)
    try:
        started(process)
        message = outcome.result()
    finally:
        process.stop()
    if message.get("event") != "downloaded":
        if words := process.stderr_tail.strip():
            log.warning("download: %s", words[-2000:])
        raise DownloadFailed(
            str(message.get("message", "")), str(message.get("hint", "")), message.get("code")
        )
    return Path(message["path"])
