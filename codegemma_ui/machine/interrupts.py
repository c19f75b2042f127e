"""Signals that ask a program to end, on every system."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable

ENDING: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
"""What a terminal's Ctrl+C and a service manager send; on Windows also Ctrl+Break."""

if sys.platform == "win32":
    ENDING = (*ENDING, signal.SIGBREAK)


def call_on(signals: Iterable[signal.Signals], handler: Callable[[], object]) -> None:
    """Call a function on the running event loop when a signal comes; the main thread's loop only."""
    loop = asyncio.get_running_loop()
    for number in signals:
        try:
            loop.add_signal_handler(number, handler)
        except NotImplementedError:  # on Windows, whose loop wakes for signals all the same
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler))
