"""A start or switch under way, and how it is called off."""

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
    """A start or switch was called off."""


@dataclass(eq=False)
class Switch:
    """A start or switch, on a thread of its own.

    Attributes:
        ticket: while it holds the floor, requests wait.
        phase, progress: as in `messages.Status`.
        before: what served until this or an earlier switch took its place.
        restoring: it brings `before` back, and cannot be called off.
        slept: what had left memory, idle, until this began.
        because: what failed, where that made it necessary; still told once it is done.
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
        """Call it off, and end the process it waits for."""
        self.cancelled.set()
        end_process = self._end_process
        if end_process is not None:
            end_process()

    def waits_for(self, process: LineProcess | None) -> None:
        """What a cancel ends from now on."""
        self._end_process = process.kill if process else None
        if process is not None and self.cancelled.is_set():
            process.kill()  # the cancel came before the process could be named

    def report(self, phase: str | None, progress: float | None = None) -> None:
        """How far it is."""
        self.phase, self.progress = phase, progress

    def stop_if_cancelled(self) -> None:
        """
        Raises:
            SwitchCancelled: it was.
        """
        if self.cancelled.is_set():
            raise SwitchCancelled
