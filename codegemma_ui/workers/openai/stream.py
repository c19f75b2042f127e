"""Parse a streamed answer: server-sent events whose data are JSON objects.

The `openai` library reads OpenAI's own streams, and drops variants of other servers: an event without a blank
line after it, the first event after a byte-order mark, an answer in one piece, and whether `[DONE]` came, the
only way to tell an end without a reason from a broken connection. The format:
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
"""

from __future__ import annotations

import codecs
import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
import httpx2
import openai

from codegemma_ui.workers.openai.failures import protocol_error

_DONE = "[DONE]"

# A trailing carriage return may be half of a CRLF.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


class Stream:
    """A streamed answer.

    Args:
        response: response with unread body.

    Attributes:
        done: whether the server marked the answer as complete, by `[DONE]` or by sending it in one piece.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._chunks = self._read()
        self.done = False

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self._chunks

    async def close(self) -> None:
        """Close the connection, which stops the server."""
        await self._response.aclose()

    async def _read(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield the objects; a broken connection ends them as if the server had closed it.

        Raises:
            openai.APITimeoutError: nothing arrived for too long.
            openai.APIError: the server sent an error.
            ServerError: it sent something else.
        """
        kind = self._response.headers.get("content-type", "").partition(";")[0].strip()
        came = foreign = False
        try:
            if kind == "application/json":
                body = (await self._response.aread()).decode(errors="replace")
                self.done = True
                yield self._object(body)
                return
            held, event = "", "data"
            async for line in _lines(self._response.aiter_bytes()):
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    event = value
                elif name in ("data", "error"):  # llama.cpp wrote `error:` up to 2025
                    if value.startswith(_DONE) and not held:
                        self.done = True
                        return
                    held += f"{value}\n"
                    if _is_json(held):  # with or without a blank line after it
                        came = True
                        yield self._object(held, error="error" in (name, event))
                        held, event = "", "data"
                elif not line:
                    if held.strip():
                        raise protocol_error("an event that is not JSON")
                    held, event = "", "data"
                elif name not in ("", "id", "retry"):
                    foreign = True
            if foreign and not came:
                raise protocol_error(f"a body of {kind[:50] or 'no'} type")
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(self._response.request) from error
        except (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream):
            return

    def _object(self, text: str, *, error: bool = False) -> dict[str, Any]:
        """Return the object of an event.

        Raises:
            openai.APIError: it is an error, in one of the forms that servers use.
            ServerError: it is not an object.
        """
        try:
            found = json.loads(text)
        except ValueError:
            raise protocol_error("an answer that is not JSON") from None
        if not isinstance(found, dict):
            raise protocol_error(f"an event that is a {type(found).__name__}")
        # vLLM and FastChat send `"object": "error"`.
        if error or found.get("error") or found.get("object") == "error":
            raise openai.APIError("sent within the answer", self._response.request, body=found)
        return found


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[str]:
    """Yield lines ended by LF, CRLF or CR, without a leading byte-order mark."""
    held, first = b"", True
    async for part in parts:
        *lines, held = _LINE_END.split(held + part)
        for line in lines:
            yield _text(line, first)
            first = False
    if held:
        yield _text(held.removesuffix(b"\r"), first)


def _text(line: bytes, first: bool) -> str:
    return (line.removeprefix(codecs.BOM_UTF8) if first else line).decode(errors="replace")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
