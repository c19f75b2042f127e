"""Where the page listens: uvicorn's server with what Gradio's `launch` (6.31) does not hand on to it.

`launch` makes its server in `gradio.http_server.start_server`, from a host, a port and TLS files alone. For
the time of the launch ours stands there, which bounds connections and can listen on a unix socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio.http_server
import uvicorn
from starlette.types import ASGIApp

from codegemma_ui.server import addresses
from codegemma_ui.server.connections import Connection, Room, open_files
from codegemma_ui.settings import Settings

GRACE_S = 3
"""Seconds that connections get to end by themselves once a signal came."""


class Listener:
    """Starts the server of one page.

    Args:
        settings: where it is to listen; what is wrong with that was said before (`addresses`).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where a person on this machine reaches it."""
        assert self._server is not None
        if self._settings.uds:
            return f"unix:{self._settings.uds}"
        return self._server.url

    @contextlib.contextmanager
    def in_gradios_place(self) -> Iterator[None]:
        """A `launch` in here starts our server."""
        theirs = gradio.http_server.start_server
        gradio.http_server.start_server = self._start  # type: ignore[assignment]
        try:
            yield
        finally:
            gradio.http_server.start_server = theirs
        if self._settings.uds and self._server is not None:
            self._server.leave_loopback()

    def end(self) -> None:
        """Once the server has ended: a unix socket leaves no file behind."""
        if self._settings.uds:
            with contextlib.suppress(OSError):
                Path(self._settings.uds).unlink()

    def _start(self, app: ASGIApp, server_name: str, server_port: int, **_: Any) -> tuple[Any, ...]:
        """Gradio's `start_server`: returns the host, the port, the address and the server."""
        settings, room = self._settings, Room.of(open_files())
        config = uvicorn.Config(
            app,
            host=server_name.strip("[]"),
            port=server_port,
            log_level="warning",
            ssl_certfile=settings.ssl_certfile or None,
            ssl_keyfile=settings.ssl_keyfile or None,
            timeout_graceful_shutdown=GRACE_S,
            http=type("Connection", (Connection,), {"most": room.most}),
            backlog=room.backlog,
            # Whoever speaks on a unix socket is the proxy.
            forwarded_allow_ips="*" if settings.uds else None,
        )
        scheme = "https" if settings.ssl_certfile else "http"
        self._server = server = _Server(config, _sockets(settings) if settings.uds else None)
        if settings.uds:
            server_name, server_port = server.loopback_address()
        shown = "localhost" if server_name == "0.0.0.0" else server_name
        server.url = f"{scheme}://{shown}:{server_port}/"
        server.run_in_thread()  # type: ignore[no-untyped-call]
        return server_name, server_port, server.url, server


class _Server(gradio.http_server.Server):
    """Gradio's, on sockets that are open already where there are some."""

    url = ""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket] | None) -> None:
        super().__init__(config)
        self._sockets = sockets

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        super().run(sockets or self._sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def loopback_address(self) -> tuple[str, int]:
        """Where Gradio finds the server, of a unix socket too, to tell it to begin."""
        assert self._sockets
        host, port = self._sockets[-1].getsockname()
        return host, port

    def leave_loopback(self) -> None:
        """Listen on the unix socket alone from now on."""
        self._loop.call_soon_threadsafe(self.servers[-1].close)


def _sockets(settings: Settings) -> list[socket.socket]:
    """The unix socket, and one on loopback for the time of the launch."""
    if sys.platform == "win32":  # `addresses` has refused it
        return []
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unix.bind(settings.uds)
    Path(settings.uds).chmod(0o666)  # as uvicorn does: its folder says who may reach it
    loopback = socket.socket()
    loopback.bind((addresses.LOOPBACK, 0))
    return [unix, loopback]
