"""An address that requests contain, and that the server must not connect to."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from tools.reliability.figures import Figure

HEARD_BYTES = 200


class Stranger:
    """A server on loopback that responds with 200 to any request, and records its first bytes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True, name="stranger")
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[str] = []
        """The first bytes of each connection."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._thread.join()

    def figures(self, scenario: str) -> list[Figure]:
        for said in self.heard:
            print(f"     {scenario}: came to the stranger: {said!r}")
        return [Figure(scenario, "connections to a visitor's address", len(self.heard), 0)]

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            said = b""
            with connection, contextlib.suppress(OSError):
                connection.settimeout(1)
                said = connection.recv(HEARD_BYTES)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            self.heard.append(said.decode("latin-1"))
