"""The caller's end of the download process: start it, follow it, return the folder."""

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
    """Find a preset's folder, downloaded first where it must be.

    Args:
        preset: which.
        report: called with the bytes received and those in all, None while these are unknown; on another
            thread.
        only: the one file that is wanted, by its path inside the preset.
        started: called with the process, which a cancel may kill.

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
