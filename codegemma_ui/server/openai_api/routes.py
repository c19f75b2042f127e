"""ASGI: the addresses for other tools, each request from its key to the last byte of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import Status
from codegemma_ui.server import bodies
from codegemma_ui.server.answers import answer, begin
from codegemma_ui.server.hosts import FOREIGN
from codegemma_ui.server.openai_api import completions, fields, infill
from codegemma_ui.server.openai_api.ask import fields_for
from codegemma_ui.server.openai_api.key import ApiKey
from codegemma_ui.server.openai_api.problems import Problem, not_ready
from codegemma_ui.server.openai_api.writing import Piece, Writing

COMPLETIONS, MODELS, INFILL = "/v1/completions", "/v1/models", "/infill"
HEALTH = ("/health", "/v1/health")

MAX_VALUES = 20_000
"""In a body, beside the token ids of a prompt."""

SEND_S = 30.0
"""Seconds after which a caller who takes nothing of a stream is taken to be gone."""

_OURS = re.compile(r"/(?:infill|health|v1(?:/.*)?)", re.DOTALL)
_READ, _SEND = ("GET", "HEAD"), ("POST",)

Form = completions.Form | infill.Form


class OpenAIApi:
    """See the module.

    Args:
        client: the engine's handle.
        key: that callers must bring; None lets everyone in.
    """

    def __init__(self, client: EngineClient, key: str | None) -> None:
        self._client = client
        self._key = ApiKey(key)
        self._began_s = int(time.time())

    def has(self, path: str) -> bool:
        """Whether an address is one of this room."""
        return _OURS.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, foreign: bool) -> None:
        """Answer a request that the walls let in.

        Args:
            foreign: a page of another site sends it.
        """
        try:
            if foreign:
                raise Problem(403, FOREIGN, code="foreign_origin", kind="permission_error")
            await self._route(scope, receive, send)
        except bodies.Refused as refused:
            await _tell(Problem.refused(refused), receive, send)
        except Problem as problem:
            await _tell(problem, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if path in HEALTH:
            _check_method(method, _READ)
            self._ready()
            await answer(send, 200, {"status": "ok"})
            return
        if not self._key.accepts(headers):
            raise Problem(
                401,
                "The key is missing or wrong: Authorization: Bearer KEY.",
                code="invalid_api_key",
            )
        if path == MODELS or path.startswith(f"{MODELS}/"):
            _check_method(method, _READ)
            await answer(send, 200, self._models(path.removeprefix(MODELS)[1:]))
        elif path in (COMPLETIONS, INFILL):
            _check_method(method, _SEND)
            await self._complete(path, headers, receive, send)
        else:
            raise Problem(
                404,
                f"There are {COMPLETIONS}, {MODELS} and {INFILL}. A model that fills in code does not chat.",
                code="not_found",
            )

    def _ready(self) -> Status:
        """The status of an engine that has a model.

        Raises:
            Problem: it has none.
        """
        status = self._client.status()
        if status.device is None or status.preset is None:
            raise not_ready()
        return status

    def _models(self, name: str) -> dict[str, Any]:
        """The served model, as a list of one, or by its name."""
        served = self._ready().preset
        model = {
            "id": served,
            "object": "model",
            "created": self._began_s,
            "owned_by": "codegemma-ui",
        }
        if not name:
            return {"object": "list", "data": [model]}
        fields.check_model({"model": name}, served or "")
        return model

    async def _complete(self, path: str, headers: Headers, receive: Receive, send: Send) -> None:
        length = headers.get("content-length")
        declared = None if length is None else length.encode()
        body = await bodies.read(receive, declared, bodies.MAX_BODY_BYTES)
        given = bodies.parse_json(
            headers.get("content-type", ""), body, MAX_VALUES, token_ids="prompt"
        )
        refusal = self._client.refusal()
        if refusal is not None:
            raise Problem.told(refusal)
        status, vocabulary = self._ready(), self._client.vocabulary()
        form: Form
        if path == COMPLETIONS:
            form = completions.Form(given, status.preset or "", vocabulary)
        else:
            form = infill.Form(given, status.preset or "", status.context_length)
        # Beside the event loop, as to count the tokens of a long text takes a while. A thread of anyio's ends
        # when it has nothing to do.
        raw, cut = await anyio.to_thread.run_sync(
            fields_for, form.ask, vocabulary, status.context_length
        )
        writing = Writing(form.ask, vocabulary.stop_ids, cut=cut)
        with self._client.submit(raw) as generation:
            async with aclosing(writing.pieces(generation)) as pieces:
                await _while_listened(receive, send, form, writing, pieces)


async def _while_listened(
    receive: Receive, send: Send, form: Form, writing: Writing, pieces: AsyncIterator[Piece]
) -> None:
    """Write an answer, unless its caller leaves first: then the completion ends at once.

    The pieces are taken as fast as they come, so that a caller who reads slowly holds no place in the line.

    Raises:
        Problem: before anything was sent.
    """
    ready: asyncio.Queue[Piece | Problem | None] = asyncio.Queue()
    problem: Problem | None = None

    async def take() -> None:
        try:
            async for piece in pieces:
                ready.put_nowait(piece)
            ready.put_nowait(None)
        except Problem as problem:
            ready.put_nowait(problem)

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        tasks.start_soon(leave)
        problem = await (_stream if form.stream else _at_once)(send, form, writing, ready)
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _at_once(
    send: Send, form: Form, writing: Writing, ready: asyncio.Queue[Piece | Problem | None]
) -> Problem | None:
    whole = Piece()
    while isinstance(piece := await ready.get(), Piece):
        whole += piece
    if piece is None:
        await answer(send, 200, form.whole(whole, writing))
    return piece


async def _stream(
    send: Send, form: Form, writing: Writing, ready: asyncio.Queue[Piece | Problem | None]
) -> Problem | None:
    """Server-sent events, as both OpenAI and llama.cpp write them. They begin once the engine has begun, so
    that what fails before that has a status of its own."""
    piece = await ready.get()
    if isinstance(piece, Problem):
        return piece
    kind = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": kind})
    with contextlib.suppress(TimeoutError):
        while isinstance(piece := await ready.get(), Piece):
            if form.tells(piece):
                await _send_event(send, form.part(piece))
        for event in form.last(writing) if piece is None else [piece.body]:
            await _send_event(send, event)
        await send({"type": "http.response.body", "body": form.closing})
    return None


async def _send_event(send: Send, event: dict[str, Any]) -> None:
    with anyio.fail_after(SEND_S):
        line = f"data: {json.dumps(event)}\n\n".encode()
        await send({"type": "http.response.body", "body": line, "more_body": True})


def _check_method(method: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        raise Problem(405, f"This address takes {' or '.join(allowed)}.", code="wrong_method")


async def _tell(problem: Problem, receive: Receive, send: Send) -> None:
    """Answer with a problem; a client that is still sending hears it too."""
    if not problem.unread:
        await answer(send, problem.status, problem.body, headers=problem.headers)
        return
    await begin(send, problem.status, problem.body, headers={"connection": "close"})
    await bodies.drain(receive)
    await send({"type": "http.response.body", "body": b""})
