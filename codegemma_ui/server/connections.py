"""Limits on idle time and number of connections, neither of which uvicorn (0.54) has.

Its own timeout applies after a response; a connection that never sends a whole request stays open.
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
"""Seconds in which the head of a request has to arrive, from the connection or from its first byte."""

WANTED_DESCRIPTORS = 65_536
"""Open files to request from the system; many shells default to 1,024 and allow more."""

OTHER_DESCRIPTORS = 64
"""Open files that are not client connections: the program's own, its workers' pipes, files being read."""

BACKLOG = 2048
"""Connections that wait to be accepted; uvicorn's default."""


@dataclass(frozen=True)
class Room:
    """The number of connections a process may have.

    Attributes:
        most: open at once.
        backlog: accepted by asyncio from the system before it handles one of them.
    """

    most: int
    backlog: int

    @classmethod
    def of(cls, descriptors: int) -> Room:
        """Return the number of connections that so many open files allow."""
        backlog = min(BACKLOG, descriptors // 8)
        return cls(max(descriptors - OTHER_DESCRIPTORS - backlog, descriptors // 2), backlog)


def open_files() -> int:
    """Raise the limit of open files as far as the system allows, and return it."""
    if sys.platform == "win32":  # has no such limit
        return WANTED_DESCRIPTORS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return WANTED_DESCRIPTORS
    unbounded = hard == resource.RLIM_INFINITY
    wanted = WANTED_DESCRIPTORS if unbounded else min(hard, WANTED_DESCRIPTORS)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):  # macOS has a second limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection that is closed when it idles for too long, or when there are too many.

    When there are too many, the one that has waited longest for a request is closed, else the one whose
    request has been arriving for longest; if all are busy, the new one.
    """

    most = Room.of(WANTED_DESCRIPTORS).most
    """Maximum number of connections."""

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
        """Return whether it has a request without a complete response."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def comes(self) -> bool:
        """Return whether the body of its request is still arriving."""
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
