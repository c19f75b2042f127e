"""How long a connection may say nothing, and how many there may be: uvicorn (0.54) bounds neither.

Its own timeout is for connections whose last answer is out; one that never sends a whole request stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_S = 20.0
"""Seconds in which the head of a request has to come, from the connection or from its first byte."""

WANTED_DESCRIPTORS = 65_536
"""Open files to ask the system for; many shells allow 1,024 and would allow more."""

OTHER_DESCRIPTORS = 64
"""Open files that are no visitor's: the program's own, its workers' pipes, what is being read."""

BACKLOG = 2048
"""Connections that wait to be taken, uvicorn's own default."""


@dataclass(frozen=True)
class Room:
    """How many connections a process may have.

    Attributes:
        most: at once.
        backlog: that asyncio takes from the system before it looks at one of them.
    """

    most: int
    backlog: int

    @classmethod
    def of(cls, descriptors: int) -> Room:
        """What so many open files have room for."""
        backlog = min(BACKLOG, descriptors // 8)
        return cls(max(descriptors - OTHER_DESCRIPTORS - backlog, descriptors // 2), backlog)


def open_files() -> int:
    """Ask the system for as many as we want, as far as it lets us; returns what it does."""
    if sys.platform == "win32":  # it tells no limit
        return WANTED_DESCRIPTORS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return WANTED_DESCRIPTORS
    unbounded = hard == resource.RLIM_INFINITY
    wanted = WANTED_DESCRIPTORS if unbounded else min(hard, WANTED_DESCRIPTORS)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):  # macOS has another bound beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """One connection, which is closed where it says nothing for too long, or where there are too many.

    Of too many that one goes which has waited longest for a request, or whose request has come for longest;
    where all are at work, the new one.
    """

    most = Room.of(WANTED_DESCRIPTORS).most
    """How many there may be."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._since_s = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._make_room()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()
        super().connection_lost(error)

    @property
    def works(self) -> bool:
        """Whether it has a request that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def comes(self) -> bool:
        """Whether the body of its request has not come whole."""
        return self.works and self.cycle.more_body

    def _make_room(self) -> None:
        present = [one for one in self.connections if not one.transport.is_closing()]
        if len(present) > self.most:
            others = [one for one in present if one is not self]
            idle = [one for one in others if not one.works] or [one for one in others if one.comes]
            min(idle, key=lambda one: one._since_s, default=self).transport.abort()

    def _watch(self) -> None:
        if self.works:
            self._forget()
        elif self._deadline is None:
            self._since_s = time.monotonic()
            self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
