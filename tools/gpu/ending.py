"""The end of a call that is told to end: what it has started ends first.

Engines, compilers and packers run in sessions or process groups of their own, which a signal to the call does
not reach. One that went on would hold the card's memory and the processor's cores in the next call.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What `timeout`, a shell that closes and a lost connection send."""


def with_children() -> None:
    """From now on, on one of `SIGNALS`, kill all processes below this one and end by that signal."""
    for number in SIGNALS:
        signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    # A process stands before those that it has started, so that it starts no further ones.
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
