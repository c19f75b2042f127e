"""Shared by both hubs: a threaded server on 127.0.0.1, file ranges, faults, a request log."""

import base64
import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from filelock import FileLock

SENT_AT_ONCE = 64 * 1024

# A key that the hubs accept, made of words so that a leak is easy to find in any output.
TOKEN = "loopback-secret-token"
USERNAME = "loopback-user"


@dataclass
class Faults:
    """Faults to inject. Changing a running hub's `faults` takes effect with the next request.

    Args:
        requires_credentials: Files are for those who send a key, as for a gated model.
        forbidden: The account has not accepted the terms.
        missing: There is no such model.
        bad_key: Every key is refused.
        busy: Every request is answered 503.
        cut_after: Close the connection after this many bytes of a file; None sends all of it.
        cuts: How many times to do so before behaving again.
        truncated: Name of a file of which only the first half is there, though listed in full.
        checksums: Send X-Goog-Hash with each file (Kaggle only).
        wrong_checksum: Name of a file whose X-Goog-Hash is that of other bytes.
        bytes_per_second: Throttle each file; None sends at full speed.
        silent: Take requests and never answer them, until the hub stops.
        stall_after: Send nothing more after this many bytes of a file, but keep the connection.
        listing_fails: The listing of files is answered 500 (Kaggle: the first such request only).
    """

    requires_credentials: bool = False
    forbidden: bool = False
    missing: bool = False
    bad_key: bool = False
    busy: bool = False
    cut_after: int | None = None
    cuts: int = 1_000_000
    truncated: str | None = None
    checksums: bool = True
    wrong_checksum: str | None = None
    bytes_per_second: float | None = None
    silent: bool = False
    stall_after: int | None = None
    listing_fails: bool = False


@dataclass
class Request:
    """One line of the log: the request, whether it carried a key, and the response."""

    method: str
    path: str  # without the query
    query: dict[str, str]
    range: str | None
    with_key: bool
    json: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    sent_bytes: int = 0


class Hub:
    """One preset, served under one handle; a context manager, or start() and stop().

    Args:
        preset: The folder to serve; every file below it is part of the preset.
        handle: What the app calls it, with its scheme.
        faults: What goes wrong; `Faults()` is a hub in good health.
        port: 0 takes a free one. A stopped hub starts again on the port it had.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        requests: Every request so far, in the order of arrival.
    """

    def __init__(
        self, preset: Path, handle: str, faults: Faults | None = None, port: int = 0
    ) -> None:
        self.preset = Path(preset)
        self.handle = handle
        self.faults = faults or Faults()
        self.requests: list[Request] = []
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def total_bytes(self) -> int:
        """Return the size of the whole preset."""
        return sum(self.files().values())

    def files(self) -> dict[str, int]:
        """Return the listing: path inside the preset -> bytes."""
        found = sorted(path for path in self.preset.rglob("*") if path.is_file())
        return {path.relative_to(self.preset).as_posix(): path.stat().st_size for path in found}

    def environment(self) -> dict[str, str]:
        """Return the variables that point a client to this hub. They hold no key."""
        raise NotImplementedError

    def answer(self, call: "Call") -> None:
        """Respond to one request that passed the common faults."""
        raise NotImplementedError

    def start(self) -> "Hub":
        hub = self
        self._stopping.clear()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

            def handle_any(self) -> None:
                Call(hub, self).run()

            do_GET = do_HEAD = do_POST = handle_any  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that was killed; the tests check the client's side

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> "Hub":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return not self._stopping.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake when the hub stops."""
        self._stopping.wait(seconds)

    def file_requests(self) -> list[Request]:
        """Return the requests for the contents of files."""
        return [request for request in self.requests if request.sent_bytes]


class Call:
    """One request in progress."""

    def __init__(self, hub: Hub, handler: BaseHTTPRequestHandler) -> None:
        self.hub = hub
        self.handler = handler
        parts = urlsplit(handler.path)  # absolute when the hub is used as a proxy
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else b""
        self.request = Request(
            method=handler.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query)),
            range=handler.headers.get("Range"),
            with_key="Authorization" in handler.headers,
            json=json.loads(body) if body else {},
        )
        hub.requests.append(self.request)

    def run(self) -> None:
        if self.hub.faults.silent:
            self.handler.close_connection = True
            while self.hub.running:
                self.hub.wait(1)
        elif self.hub.faults.busy:
            self.json({"message": "busy"}, status=503)
        else:
            self.hub.answer(self)

    def key_is_good(self) -> bool:
        pair = base64.b64encode(f"{USERNAME}:{TOKEN}".encode()).decode()
        sent = self.handler.headers.get("Authorization")
        return not self.hub.faults.bad_key and sent in (f"Bearer {TOKEN}", f"Basic {pair}")

    def json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._head(status, {"Content-Type": "application/json", **(headers or {})}, len(body))
        if self.request.method != "HEAD":
            self.handler.wfile.write(body)

    def redirect(self, location: str) -> None:
        self._head(302, {"Location": location}, 0)

    def file(self, name: str, headers: dict[str, str]) -> None:
        """Send a file of the preset, or the requested range, with the current faults."""
        data = (self.hub.preset / name).read_bytes()
        if self.hub.faults.truncated == name:
            data = data[: len(data) // 2]
        self.data(data, headers)

    def data(self, data: bytes, headers: dict[str, str]) -> None:
        """Send these bytes as `file` does."""
        faults = self.hub.faults
        status, start = 200, 0
        if self.request.range:
            start = int(self.request.range.removeprefix("bytes=").split("-")[0])
            status = 206
            headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
        self._head(status, headers, len(data) - start)
        if self.request.method == "HEAD":
            return
        end = len(data)
        if faults.cut_after is not None and end - start > faults.cut_after and faults.cuts > 0:
            faults.cuts -= 1
            end = start + faults.cut_after
            self.handler.close_connection = True
        self._send(memoryview(data)[start:end])

    def _send(self, data: memoryview) -> None:
        rate = self.hub.faults.bytes_per_second
        step = min(SENT_AT_ONCE, int(rate / 20)) if rate else SENT_AT_ONCE
        began = time.monotonic()
        for offset in range(0, len(data), step):
            if not self.hub.running:
                self.handler.close_connection = True
                return
            stall_after = self.hub.faults.stall_after
            while stall_after is not None and offset >= stall_after and self.hub.running:
                self.hub.wait(1)
            part = data[offset : offset + step]
            self.handler.wfile.write(part)
            self.request.sent_bytes += len(part)
            if rate:
                self.hub.wait(max(0.0, began + (offset + len(part)) / rate - time.monotonic()))

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.request.status = status
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(length))
        self.handler.end_headers()


def md5_header(data: bytes) -> str:
    """Return the value of X-Goog-Hash as Google Cloud Storage writes it."""
    return "md5=" + base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def isolated_environment(folder: Path, *hubs: Hub) -> dict[str, str]:
    """Return this process's environment with no keys, no proxies and every cache below `folder`.

    Args:
        folder: A test's own folder; HOME and the caches are made in it.
        hubs: Hubs whose variables to add.
    """
    private = ("KAGGLE", "HF_", "HUGGING", "COLAB_", "TBE_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(private) and not name.lower().endswith("_proxy")
    }
    environment["HOME"] = str(folder / "home")
    environment["KAGGLEHUB_CACHE"] = str(folder / "kagglehub")
    environment["KAGGLE_CONFIG_DIR"] = str(folder / "home" / ".kaggle")
    environment["HF_HOME"] = str(folder / "huggingface")
    (folder / "home").mkdir(parents=True, exist_ok=True)
    for hub in hubs:
        environment.update(hub.environment())
    return environment


def isolate_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch, *hubs: Hub) -> None:
    """Give this process that environment until the test ends; its children inherit it."""
    environment = isolated_environment(folder, *hubs)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@contextlib.contextmanager
def port_lock(port: int) -> Iterator[None]:
    """Lock a port that clients cannot be configured to change, against other runs of the tests."""
    with FileLock(Path(tempfile.gettempdir()) / f"loopback-hub-{port}.lock", timeout=60):
        yield
