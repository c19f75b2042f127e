"""A server of the completions protocol with injected faults: `with odd_server(Odd(…)) as server`.

By default it responds with scripted pieces, and it records all requests.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "odd"


@dataclass
class Odd:
    """The faults to inject, and the requests received.

    Attributes:
        key: the required API key.
        pieces: texts of a response.
        finish: its last `finish_reason`; None breaks off before it.
        statuses: returned by the next streams, in order, instead of a response.
        silent_s: seconds before a completion's response begins.
        pause_s: seconds between two pieces.
        breaks: number of streams that break off before their first piece.
        raw: sent instead of every streamed line.
        body: sent unchanged instead of a whole stream; then the connection closes.
        kind: its `Content-Type`.
        stays: seconds that a stream's connection stays open after its last byte.
        page: sent instead of every response.
        away: connections are closed without a response.
        takes_ids, tells_logprobs, tells_usage: its capabilities. By default only OpenAI's parameters.
        tokens: `usage.prompt_tokens`.
        models: that it lists.
        bodies: of completion requests, as received.
        left: number of streams that the client closed early.
    """

    key: str = ""
    pieces: tuple[str, ...] = ("sys",)
    finish: str | None = "stop"
    statuses: list[int] = field(default_factory=list)
    silent_s: float = 0.0
    pause_s: float = 0.0
    breaks: int = 0
    raw: str = ""
    body: bytes | None = None
    kind: str = "text/event-stream"
    stays: float = 0.0
    page: str = ""
    away: bool = False
    takes_ids: bool = False
    tells_logprobs: bool = False
    tells_usage: bool = True
    tokens: int = 0
    models: tuple[str, ...] = (MODEL,)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0

    def streamed(self) -> list[dict[str, Any]]:
        """Return the bodies of streamed completions, without those that detect capabilities."""
        return [body for body in self.bodies if body.get("stream")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


@contextmanager
def odd_server(odd: Odd) -> Iterator[str]:
    """Serve on loopback until the end of the block; yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            if self._refused():
                return
            listed = [{"id": name, "object": "model", "owned_by": "odd"} for name in odd.models]
            self._send(200, {"object": "list", "data": listed})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            odd.bodies.append(body)
            if self._refused():
                return
            if body.get("stream") and odd.statuses:
                status = odd.statuses.pop(0)
                key = self.headers.get("Authorization", "")
                self._send(status, {"error": {"message": f"status {status} for {key}"}})
            elif body.get("stream"):
                time.sleep(odd.silent_s)
                self._stream()
            elif not isinstance(body["prompt"], str) and not odd.takes_ids:
                self._send(422, {"error": {"message": "prompt must be a string"}})
            elif "top_k" in body:
                self._send(400, {"error": {"message": "unknown parameter top_k"}})
            else:
                self._send(200, self._chunk("x", "length") | self._usage())

        def _refused(self) -> bool:
            if odd.away:
                self.close_connection = True
                return True
            if odd.page:
                content = odd.page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return True
            if odd.key and self.headers.get("Authorization") != f"Bearer {odd.key}":
                said = f"Incorrect key: {self.headers.get('Authorization', 'none')}"
                self._send(401, {"error": {"message": said}})
                return True
            return False

        def _usage(self) -> dict[str, Any]:
            if not odd.tells_usage:
                return {}
            tokens = {"prompt_tokens": odd.tokens, "completion_tokens": 1, "total_tokens": 0}
            return {"usage": tokens}

        def _chunk(self, text: str, finish: str | None) -> dict[str, Any]:
            logprobs = None
            if odd.tells_logprobs:
                told = {"tokens": [text], "token_logprobs": [-0.5]}
                logprobs = {**told, "top_logprobs": [{text: -0.5, "os": -2.0}]}
            choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}
            return {"id": "1", "object": "text_completion", "created": 1, "choices": [choice]}

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0.1")
            self.end_headers()
            self.wfile.write(content)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", odd.kind)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if odd.breaks:
                odd.breaks -= 1
                return
            try:
                if odd.body is not None:
                    self.wfile.write(odd.body)
                    self.wfile.flush()
                    time.sleep(odd.stays)
                    return
                for text in odd.pieces:
                    self._event(odd.raw or json.dumps(self._chunk(text, None)))
                    time.sleep(odd.pause_s)
                if odd.finish is not None:
                    self._event(json.dumps(self._chunk("", odd.finish)))
                    self._event("[DONE]")
            except OSError:
                odd.left += 1

        def _event(self, data: str) -> None:
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
