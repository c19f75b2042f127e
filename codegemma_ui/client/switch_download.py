"""The download that a switch may need, which ends when the switch is cancelled."""

from __future__ import annotations

from pathlib import Path

from codegemma_ui.client.switch import Switch
from codegemma_ui.download import client as download
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from codegemma_ui.machine import OPENAI


def fetch(switch: Switch) -> Path:
    """Return the folder of the target's preset. For the backend "openai" only the vocabulary is downloaded.

    Raises:
        DownloadFailed: its code gives the reason.
        SwitchCancelled: the switch was cancelled meanwhile.
    """
    preset = switch.target.preset
    if preset.local:
        return Path(preset.handle)

    def report(received: int, total: int | None) -> None:
        switch.progress = min(1.0, received / total) if total else None

    switch.report("downloading")
    only = VOCABULARY_FILE.as_posix() if switch.target.backend == OPENAI else None
    try:
        return download.fetch(preset, report, only, started=switch.waits_for)
    finally:
        switch.waits_for(None)
        switch.progress = None
        switch.stop_if_cancelled()
