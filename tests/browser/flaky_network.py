"""A network between a browser and a loopback server that fails on demand: resets, or nothing gets through."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class FlakyNetwork:
    """Forwards every connection until it is set to fail.

    Attributes:
        url: of the server, through this network.
        down: new connections are reset at once.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._server = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: dict[socket.socket, list[bytes]] = {}
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.down = False
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, path: str = "") -> int:
        """Reset the connections whose latest request was for a path; return how many there were."""
        ends = [end for end, seen in list(self._connections.items()) if path.encode() in seen[0]]
        for end in ends:
            self._reset(end)
        return len(ends)

    def close(self) -> None:
        self._listener.close()
        self.reset()

    def _reset(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            end.shutdown(socket.SHUT_RD)  # wakes its reader, who closes it

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                if self.down:
                    browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                    browser.close()
                    continue
                threading.Thread(target=self._forward, args=[browser], daemon=True).start()

    def _forward(self, browser: socket.socket) -> None:
        with (
            browser,
            contextlib.suppress(OSError),
            socket.create_connection(self._server) as server,
        ):
            self._connections[browser] = seen = [b""]
            back = threading.Thread(target=_pump, args=[server, browser], daemon=True)
            back.start()
            try:
                while data := browser.recv(65536):
                    if data.startswith((b"GET ", b"POST ")):
                        seen[0] = data.split(b"\r\n", 1)[0]
                    server.sendall(data)
            finally:
                del self._connections[browser]


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def flaky(url: str) -> Iterator[FlakyNetwork]:
    network = FlakyNetwork(url)
    try:
        yield network
    finally:
        network.close()
