"""Termination signals, on every system."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable

ENDING: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
"""Signals of Ctrl+C in a terminal and of a service manager; on Windows also Ctrl+Break."""

if sys.platform == "win32":
    ENDING = (*ENDING, signal.SIGBREAK)


def call_on(signals: Iterable[signal.Signals], handler: Callable[[], object]) -> None:
    """Call a function on the running event loop at a signal; the main thread's loop only."""
    loop = asyncio.get_running_loop()
    for number in signals:
        try:
            loop.add_signal_handler(number, handler)
        except NotImplementedError:  # on Windows, whose loop wakes for signals anyway
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler))
