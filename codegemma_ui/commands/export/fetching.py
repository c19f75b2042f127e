"""A preset's folder on this machine, downloaded first where it must be, as the page does it."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegemma_ui.errors import DownloadFailed
from codegemma_ui.ipc.parent import LineProcess, environment
from codegemma_ui.presets import Preset


def fetch(preset: Preset, report: Callable[[int, int], None]) -> Path:
    """Find or download a preset.

    Args:
        report: called with the bytes that came and those in all, once these are known.

    Raises:
        DownloadFailed: why it did not come.
    """
    if preset.local:
        return Path(preset.handle)
    messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    process = LineProcess(
        [sys.executable, "-m", "codegemma_ui.download", preset.handle],
        environment(),
        messages.put,
        lambda code: messages.put({"message": f"The download ended with exit code {code}."}),
    )
    try:
        while (message := messages.get()).get("event") == "progress":
            if message["total_bytes"]:
                report(message["received_bytes"], message["total_bytes"])
    finally:
        process.stop()
    if message.get("event") != "downloaded":
        raise DownloadFailed(message["message"], message.get("hint", ""), message.get("code"))
    return Path(message["path"])
