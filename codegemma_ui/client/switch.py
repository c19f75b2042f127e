"""A start or switch in progress, and its cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from codegemma_ui.client.choice import Choice
from codegemma_ui.client.queue import Ticket
from codegemma_ui.client.worker import Worker
from codegemma_ui.errors import PlaygroundError
from codegemma_ui.ipc.parent import LineProcess


class SwitchCancelled(Exception):
    """A start or switch was cancelled."""


@dataclass(eq=False)
class Switch:
    """A start or switch, on a thread of its own.

    Attributes:
        ticket: its place in the queue; while it holds a slot, requests wait.
        phase, progress: as in `messages.Status`.
        before: the worker that served until this or an earlier switch replaced it.
        restoring: whether it restores `before`; then it cannot be cancelled.
        slept: the worker that was asleep until this began.
        because: the failure that made it necessary, if any; still reported once it is done.
    """

    target: Choice
    ticket: Ticket | None = None
    phase: str | None = None
    progress: float | None = None
    before: Worker | None = None
    restoring: bool = False
    slept: Worker | None = None
    because: PlaygroundError | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    _end_process: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Cancel it, and end the process it waits for."""
        self.cancelled.set()
        end_process = self._end_process
        if end_process is not None:
            end_process()

    def waits_for(self, process: LineProcess | None) -> None:
        """Set the process that a cancel ends."""
        self._end_process = process.kill if process else None
        if process is not None and self.cancelled.is_set():
            process.kill()  # it was cancelled before the process was set

    def report(self, phase: str | None, progress: float | None = None) -> None:
        """Record phase and progress."""
        self.phase, self.progress = phase, progress

    def stop_if_cancelled(self) -> None:
        """Stop the switch if it was cancelled.

        Raises:
            SwitchCancelled: it was.
        """
        if self.cancelled.is_set():
            raise SwitchCancelled
