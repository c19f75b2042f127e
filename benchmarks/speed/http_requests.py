"""A completion over HTTP, from the page or from llama.cpp's server, and when its tokens came."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.speed.conversation import SubjectFailed
from benchmarks.speed.prompts import Prompt

WITHIN_S = 600.0
"""A server that sends nothing for so long has failed."""

_API = "/gradio_api/call"


class NotYet(SubjectFailed):
    """The server has no model yet."""


@dataclass(frozen=True)
class Timed:
    """A completion as its reader sees it.

    Attributes:
        first_s: seconds from sending the request to the first text.
        whole_s: seconds to the end of the response.
        tokens: number of generated tokens.
    """

    first_s: float
    whole_s: float
    tokens: int


class Connection:
    """A connection to a server that is kept open, used by one thread.

    Args:
        url: address of the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        address = urlsplit(url)
        self._http = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=WITHIN_S
        )

    def close(self) -> None:
        self._http.close()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send an object and return the object that comes back.

        Raises:
            SubjectFailed: it was refused, or the server ended.
        """
        found: dict[str, Any] = json.loads(b"".join(self._lines("POST", path, body)))
        return found

    def stream(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """Yield the data of each server-sent event, read from JSON, until the response ends.

        Raises:
            SubjectFailed: as `post()`.
        """
        for line in self._lines(method, path, body):
            if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                yield json.loads(line[6:])

    def _lines(self, method: str, path: str, body: Mapping[str, Any] | None) -> Iterator[bytes]:
        sent = None if body is None else json.dumps(body)
        try:
            response = self._response(method, path, sent)
            if response.status != http.HTTPStatus.OK:
                said = response.read().decode(errors="replace")[:200]
                unready = response.status == http.HTTPStatus.SERVICE_UNAVAILABLE
                failed = NotYet if unready else SubjectFailed
                raise failed(f"{path} answered {response.status}: {said}")
            yield from iter(response.readline, b"")
            response.read()  # which closes it, so that the connection can serve the next request
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise SubjectFailed(f"{path} ended: {error or type(error).__name__}") from error

    def _response(self, method: str, path: str, sent: str | None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"}
        try:
            self._http.request(method, path, sent, headers)
            return self._http.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # closed while it was idle
            self._http.close()
            self._http.request(method, path, sent, headers)
            return self._http.getresponse()


def infill(server: Connection, prompt: Prompt, new_tokens: int) -> Timed:
    """Complete by `/infill`, the same of both servers."""
    asked = {
        "input_prefix": prompt.prefix,
        "input_suffix": prompt.suffix,
        "n_predict": new_tokens,
        "temperature": 0,
        "stream": True,
        "cache_prompt": False,
    }
    return _timed(
        server.stream("POST", "/infill", asked),
        lambda chunk: bool(chunk["tokens"]),
        lambda chunk: chunk.get("tokens_predicted"),
    )


def v1_completions(server: Connection, prompt: Prompt, new_tokens: int) -> Timed:
    """Continue the text before the cursor by `/v1/completions`, the same of both servers."""
    asked = {
        "prompt": prompt.prefix,
        "max_tokens": new_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return _timed(
        server.stream("POST", "/v1/completions", asked),
        lambda chunk: bool(chunk["choices"] and chunk["choices"][0]["text"]),
        lambda chunk: (chunk.get("usage") or {}).get("completion_tokens"),
    )


def complete(page: Connection, prompt: Prompt, new_tokens: int) -> Timed:
    """Complete by the page's `/complete`, as programs call it: through Gradio's queue."""
    asked = {
        "prefix": prompt.prefix,
        "suffix": prompt.suffix,
        "max_length": len(prompt.token_ids) + new_tokens,
        "stop_on_repetition": False,
    }
    return _timed(
        _updates(page, "complete", asked),
        lambda update: bool(update["completion_tokens"]),
        lambda update: update["completion_tokens"] if update["event"] == "done" else None,
    )


def status(page: Connection) -> dict[str, Any]:
    """Return the page's `/status`."""
    *_, last = _updates(page, "status", {})
    found: dict[str, Any] = last
    return found


def _updates(page: Connection, name: str, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the updates of one of the page's functions (docs/http-api.md)."""
    event = page.post(f"{_API}/v2/{name}", fields)["event_id"]
    for data in page.stream("GET", f"{_API}/{name}/{event}"):
        if data is not None:  # a sign of life
            yield data[0]


def _timed(
    chunks: Iterator[dict[str, Any]],
    is_first: Callable[[dict[str, Any]], bool],
    count: Callable[[dict[str, Any]], int | None],
) -> Timed:
    """Read a response to its end.

    Raises:
        SubjectFailed: it had an error, or no token.
    """
    begun = time.perf_counter()
    first_s, tokens = None, 0
    for chunk in chunks:
        if "error" in chunk or chunk.get("event") == "error":
            raise SubjectFailed(json.dumps(chunk)[:200])
        if first_s is None and is_first(chunk):
            first_s = time.perf_counter() - begun
        tokens = count(chunk) or tokens
    if first_s is None:
        raise SubjectFailed("the response had no token")
    return Timed(first_s, time.perf_counter() - begun, tokens)
