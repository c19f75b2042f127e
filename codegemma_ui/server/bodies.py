"""Limits on request bodies: their size, and the JSON they may hold.

Gradio reads a body of any size, accepts NaN and lone surrogates as values, and walks a payload recursively
in Python. A request of the page or of the API is a flat object with one short list, and at most one long list
of token ids, so anything else is refused before it is walked. The values themselves are validated by
`messages.parse_request`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.types import Message, Receive

from codegemma_ui.machine import returned_memory

MAX_BODY_BYTES = 5 * 2**20
"""Two sides of 200,000 characters, at most twelve bytes each in JSON, with room to spare."""

MAX_SMALL_BODY_BYTES = 64 * 2**10
"""For requests that carry no code: a login, a cancel."""

MAX_DRAINED_BYTES = 64 * 2**20
"""Bytes drained after a refusal: a client that is still sending reads the response only then."""

SHORT_BYTES = 2**16
"""The longest body that never has to wait for others."""

MAX_AT_ONCE_BYTES = 6 * 2**20
"""Total of the longer bodies in memory at one time; each grows to several times its size when processed."""

MAX_ARRIVING_BYTES = 16 * 2**20
"""Total of the longer bodies that are arriving or waiting for room."""

WAIT_S = 10.0
"""Seconds that a longer body waits for the others."""

GIVEN_BACK_BYTES = 8 * 2**20
"""Bytes of longer bodies handled, after which memory is returned to the system."""

QUIET_S = 2.0
"""Seconds after the last longer body until it is returned again."""

EVENT_S = 5.0
"""Seconds for which an accepted event keeps the room of its body. The texts of a longer event are bounded by
the limits of a completion, and its place by the length of the queue."""

EVENT_LOOK_S = 0.02

MAX_VALUES = 200
"""Not counting token ids."""

MAX_TOKEN_IDS = 1 << 17
"""More than any model's context (`recording.LONGEST`); `parse_request` checks against the loaded model's."""

MAX_DEPTH = 8
READ_TIMEOUT_S = 20.0


class Refused(Exception):
    """A refused request.

    Args:
        status: HTTP status of the response.
        reason: a sentence for a person.
        unread: whether the client may still be sending.
    """

    def __init__(self, status: int, reason: str, *, unread: bool = False) -> None:
        super().__init__(reason)
        self.status, self.reason, self.unread = status, reason, unread


class LongBodies:
    """Shared memory limit for the longer bodies of all requests, from arrival until they are handled.

    A slow body does not block others: it counts only the bytes received so far, and when all arriving bodies
    together are too many, the one that began first is refused.

    Args:
        most: bytes handled at one time.
        most_arriving: bytes that are arriving or waiting.
    """

    def __init__(
        self, most: int = MAX_AT_ONCE_BYTES, most_arriving: int = MAX_ARRIVING_BYTES
    ) -> None:
        self._left, self._most_arriving = most, most_arriving
        self._arriving: dict[Body, int] = {}  # in the order in which they began
        self._handled = 0
        self._later: asyncio.TimerHandle | None = None
        self._changed = asyncio.Condition()

    def body(self, receive: Receive) -> Body:
        """Return the body of a request; nothing is read until `receive` is called."""
        return Body(self, receive)

    def came(self, body: Body, size: int) -> None:
        """Record the arrival of more bytes of a body.

        Raises:
            Refused: there is no room for this body.
        """
        self._arriving[body] = self._arriving.get(body, 0) + size
        while sum(self._arriving.values()) > self._most_arriving:
            long = (one for one, held in self._arriving.items() if held > SHORT_BYTES)
            first = next(long, next(iter(self._arriving)))
            del self._arriving[first]
            if first is body:
                raise _busy()
            first.refuse()

    def gone(self, body: Body) -> None:
        """Record that a body has stopped arriving."""
        self._arriving.pop(body, None)

    @staticmethod
    def _give_back() -> None:
        asyncio.get_running_loop().run_in_executor(None, returned_memory.give_back)

    async def take(self, size: int) -> None:
        """Wait for room for a body that has arrived, and take it.

        Raises:
            Refused: the others took too long.
        """
        try:
            async with asyncio.timeout(WAIT_S), self._changed:
                await self._changed.wait_for(lambda: self._left >= size)
                self._left -= size
        except TimeoutError:
            raise _busy() from None

    async def release(self, size: int) -> None:
        """Free the room of a body that was handled."""
        self._handled += size
        if self._later is not None:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(QUIET_S, self._give_back)
        if self._handled >= GIVEN_BACK_BYTES:
            self._handled = 0
            self._give_back()
        async with self._changed:
            self._left += size
            self._changed.notify_all()


class Body:
    """The body of one request, read whole on first use; its room is held until the block ends."""

    def __init__(self, all_of_them: LongBodies, receive: Receive) -> None:
        self._all, self._receive = all_of_them, receive
        self._patience = asyncio.timeout(None)
        self._was_read = False
        self._took = 0

    async def __aenter__(self) -> Body:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._took:
            await self._all.release(self._took)

    @property
    def long(self) -> bool:
        """Return whether it takes room."""
        return self._took > 0

    def refuse(self) -> None:
        """Refuse it while it is still arriving, for lack of room."""
        self._patience.reschedule(asyncio.get_running_loop().time())

    async def receive(self) -> Message:
        """Receive as in ASGI: first the whole body, then the server's own messages.

        Raises:
            Refused: the body is too large, or there is no room for it.
        """
        if self._was_read:
            return await self._receive()
        self._was_read = True
        try:
            async with self._patience:
                message = await self._whole()
                size = len(message.get("body", b""))
                if size > SHORT_BYTES:
                    await self._all.take(size)
                    self._took = size
            return message
        except TimeoutError:
            raise _busy() from None
        finally:
            self._all.gone(self)

    async def _whole(self) -> Message:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            part = message.get("body", b"")
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise _too_large(MAX_BODY_BYTES)
            self._all.came(self, len(part))
            parts.append(part)
            if not message.get("more_body"):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}


async def read(receive: Receive, declared: bytes | None, most: int) -> bytes:
    """Read the whole body.

    Args:
        declared: the `Content-Length` header, if there is one.
        most: maximum size in bytes.

    Raises:
        Refused: the body is too large, or does not arrive in time.
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
        raise Refused(408, f"The body did not arrive within {READ_TIMEOUT_S:g} s.") from None


async def drain(receive: Receive) -> None:
    """Read what the client is still sending, up to a limit, so that it can read the refusal."""
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
    """Return a `receive` that replays a body, then waits for the disconnect as the real one does."""
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
    """Parse a body into an object that is safe to pass to Gradio.

    Args:
        kind: the `Content-Type` header.
        most_values: the most values it may hold, not counting token ids.
        token_ids: the field that may hold token ids, named in a refusal.

    Raises:
        Refused: states what was expected and received, never the received text.
    """
    if kind.split(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The body must be application/json.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" in error.msg:
            reason = "Text must be valid Unicode. Received: half of a character (a lone surrogate)."
            raise Refused(422, reason) from None
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
                    422, "The body must not hold gradio.FileData; nothing here takes files."
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
                        f"The body may hold at most {most_values:,} values, not counting the token ids of "
                        f"{token_ids}.",
                    )
                deeper += value.values() if isinstance(value, dict) else value
        if not deeper:
            return
        level = deeper
    raise Refused(422, f"The body may nest at most {MAX_DEPTH} levels.")


def _is_gradios_file(value: Any) -> bool:
    """Return whether Gradio (6.31) would treat a value as one of its files and look for it on disk.

    Where Gradio did not create the file, the caller receives null.
    """
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _busy() -> Refused:
    return Refused(503, "Too many long requests at once. Try again in a moment.", unread=True)


def _too_large(most: int) -> Refused:
    return Refused(413, f"A request may have at most {most:,} bytes.", unread=True)
