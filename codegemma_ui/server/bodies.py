"""What a request may carry: how many bytes, and JSON that is plain enough for what stands behind.

Gradio reads a body of any size, takes NaN and lone surrogates for values, and walks whatever it was sent
with a recursion in Python. A request of the page or of the API is a flat object with one short list, and at
most one long one of token ids, so anything else is refused before it is walked. What the values mean is
`messages.parse_request`'s to judge.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import orjson
from starlette.types import Message, Receive

from codegemma_ui.machine import returned_memory

MAX_BODY_BYTES = 5 * 2**20
"""Two sides of 200,000 characters, at most twelve bytes each in JSON, and room to spare."""

MAX_SMALL_BODY_BYTES = 64 * 2**10
"""For requests that carry no text of a program: a login, a cancel."""

MAX_DRAINED_BYTES = 64 * 2**20
"""Read, and forgotten, after a refusal: a client that is still sending hears it only then."""

SHORT_BYTES = 2**16
"""A body that is no longer waits for nobody."""

MAX_AT_ONCE_BYTES = 6 * 2**20
"""Of the longer bodies that are in memory at one time; each becomes several times its size on its way."""

WAIT_S = 10.0
"""Seconds that a longer one waits for the others."""

GIVEN_BACK_BYTES = 8 * 2**20
"""Of longer bodies that were handled, after which memory is given back."""

EVENT_S = 5.0
"""Seconds for which an event that was accepted keeps the room of its body: one that goes on for longer has
texts that are no longer than a completion may have, and its place in a line that is bounded."""

EVENT_LOOK_S = 0.02

MAX_VALUES = 200
"""Beside token ids."""

MAX_TOKEN_IDS = 1 << 17
"""More than any model's context (`recording.LONGEST`); `parse_request` says how many the loaded one takes."""

MAX_DEPTH = 8
READ_TIMEOUT_S = 20.0


class Refused(Exception):
    """A body that goes no further.

    Args:
        status: of the answer.
        said: why, in a sentence for a person.
        unread: whether the client may still be sending.
    """

    def __init__(self, status: int, said: str, *, unread: bool = False) -> None:
        super().__init__(said)
        self.status, self.said, self.unread = status, said, unread


class LongBodies:
    """Room for the longer bodies of all requests together.

    Args:
        most: bytes at one time.
    """

    def __init__(self, most: int = MAX_AT_ONCE_BYTES) -> None:
        self._left = most
        self._handled = 0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def room(self, declared: bytes | None) -> AsyncGenerator[bool]:
        """Room for one, for the length of the block, and whether it needs any. It is not read before.

        Args:
            declared: the `Content-Length` header, if there is one.

        Raises:
            Refused: the others took too long.
        """
        told = declared is not None and declared.isdigit()
        size = min(int(declared[:20]), MAX_BODY_BYTES) if told and declared else MAX_BODY_BYTES
        if size <= SHORT_BYTES:
            yield False
            return
        async with self._changed:
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._changed.wait_for(lambda: self._left >= size)
            except TimeoutError:
                said = "Many long requests are being read. Try again in a moment."
                raise Refused(503, said, unread=True) from None
            self._left -= size
        try:
            yield True
            self._handled += size  # a refused one was not read, and its answer is still to come
        finally:
            if self._handled >= GIVEN_BACK_BYTES:
                self._handled = 0
                asyncio.get_running_loop().run_in_executor(None, returned_memory.give_back)
            async with self._changed:
                self._left += size
                self._changed.notify_all()


async def read(receive: Receive, declared: bytes | None, most: int) -> bytes:
    """The whole body.

    Args:
        declared: the `Content-Length` header, if there is one.
        most: bytes that it may have.

    Raises:
        Refused: it is too large, or does not come.
    """
    if declared is not None and (not declared.isdigit() or int(declared[:20]) > most):
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "The request ended before its body.")
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408, f"The body did not come within {READ_TIMEOUT_S:g} s.") from None


async def drain(receive: Receive) -> None:
    """Take what the client is still sending, up to a bound, so that it can hear the refusal."""
    left = MAX_DRAINED_BYTES
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b"")) or 1
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read, then waits for the disconnect as the real one does."""
    given = False

    async def from_memory() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return from_memory


def parse_json(
    kind: str, body: bytes, most_values: int = MAX_VALUES, *, token_ids: str = "forced"
) -> dict[str, Any]:
    """A body as an object that Gradio can be given.

    Args:
        kind: the `Content-Type` header.
        most_values: that it may hold, beside token ids.
        token_ids: the field that may hold them, for a refusal to name.

    Raises:
        Refused: with what was expected and what came, never with the text that came.
    """
    if kind.split(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The body must be application/json.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" in error.msg:
            said = "Text must be valid Unicode. Received: half of a character (a lone surrogate)."
            raise Refused(422, said) from None
        raise Refused(422, f"The body must be valid JSON. Received: {error.msg}.") from None
    if not isinstance(parsed, dict):
        raise Refused(422, f"The body must be an object. Received: {type(parsed).__name__}.")
    _check_shape(parsed, most_values, token_ids)
    return parsed


def _check_shape(parsed: dict[str, Any], most_values: int, token_ids: str) -> None:
    level: list[Any] = [parsed]
    values = ids = 0
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for value in level:
            if _is_gradios_file(value):
                raise Refused(
                    422, "The body may hold no gradio.FileData; nothing here takes files."
                )
            if isinstance(value, list) and value and all(type(one) is int for one in value):
                ids += len(value)
                if ids > MAX_TOKEN_IDS:
                    raise Refused(
                        422,
                        f"{token_ids} may have at most {MAX_TOKEN_IDS:,} token ids. Received: {ids:,}.",
                    )
            elif isinstance(value, dict | list):
                values += len(value)
                if values > most_values:
                    raise Refused(
                        422,
                        f"The body may hold at most {most_values:,} values, beside the token ids of "
                        f"{token_ids}.",
                    )
                deeper += value.values() if isinstance(value, dict) else value
        if not deeper:
            return
        level = deeper
    raise Refused(422, f"The body may nest at most {MAX_DEPTH} levels.")


def _is_gradios_file(value: Any) -> bool:
    """Whether Gradio (6.31) takes a value for one of its files, and looks for it on the disk.

    Where it did not give the file out itself, the caller is told null.
    """
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _too_large(most: int) -> Refused:
    return Refused(413, f"A request may have at most {most:,} bytes.", unread=True)
