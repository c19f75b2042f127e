"""The uvicorn server of the page, with options that Gradio's `launch` (6.31) does not pass on.

`launch` creates its server in `gradio.http_server.start_server`, from a host, a port and TLS files only.
During the launch that function is replaced by ours, which limits connections and can listen on a unix socket.
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
"""Seconds that connections have to finish after a signal."""


class Listener:
    """Starts the server of one page.

    Args:
        settings: where it is to listen, already checked (`addresses`).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        assert self._server is not None
        if self._settings.uds:
            return f"unix:{self._settings.uds}"
        return self._server.url

    @contextlib.contextmanager
    def in_gradios_place(self) -> Iterator[None]:
        """Make `launch` start our server inside this block."""
        theirs = gradio.http_server.start_server
        gradio.http_server.start_server = self._start  # type: ignore[assignment]
        try:
            yield
        finally:
            gradio.http_server.start_server = theirs
        if self._settings.uds and self._server is not None:
            self._server.leave_loopback()

    def end(self) -> None:
        """Remove the file of a unix socket, once the server has ended."""
        if self._settings.uds:
            with contextlib.suppress(OSError):
                Path(self._settings.uds).unlink()

    def _start(self, app: ASGIApp, server_name: str, server_port: int, **_: Any) -> tuple[Any, ...]:
        """Replace Gradio's `start_server`; return the host, the port, the URL and the server."""
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
            # The client of a unix socket is the proxy.
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
    """Gradio's server, on sockets that are already open if there are any."""

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
        """Return the address at which Gradio sends its startup request, also with a unix socket."""
        assert self._sockets
        host, port = self._sockets[-1].getsockname()
        return host, port

    def leave_loopback(self) -> None:
        """Listen only on the unix socket from now on."""
        self._loop.call_soon_threadsafe(self.servers[-1].close)


def _sockets(settings: Settings) -> list[socket.socket]:
    """Open the unix socket, and one on loopback for the launch."""
    if sys.platform == "win32":  # already refused by `addresses`
        return []
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unix.bind(settings.uds)
    Path(settings.uds).chmod(0o666)  # as uvicorn does: access is controlled by its folder
    loopback = socket.socket()
    loopback.bind((addresses.LOOPBACK, 0))
    return [unix, loopback]
