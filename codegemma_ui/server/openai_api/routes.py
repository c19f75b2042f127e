"""ASGI application for other tools: routing, key check, and responses."""

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
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.generation import Generation
from codegemma_ui.ipc.messages import Status
from codegemma_ui.server import bodies
from codegemma_ui.server.hosts import FOREIGN
from codegemma_ui.server.openai_api import completions, fields, infill
from codegemma_ui.server.openai_api.ask import fields_for
from codegemma_ui.server.openai_api.key import ApiKey
from codegemma_ui.server.openai_api.problems import Problem, not_ready
from codegemma_ui.server.openai_api.writing import Piece, Writing
from codegemma_ui.server.refusals import refuse

COMPLETIONS, MODELS, INFILL = "/v1/completions", "/v1/models", "/infill"
HEALTH = ("/health", "/v1/health")

MAX_VALUES = 20_000
"""In a body, not counting the token ids of a prompt."""

SHORT_BYTES = 8_192
"""Body whose tokens are counted in a millisecond: less than switching to a thread and back may take."""

SEND_S = 30.0
"""Seconds after which a client that reads nothing of a stream is considered gone."""

TOGETHER_BYTES = 65_536
"""Events of a stream are sent together up to this length: joining longer ones would hold each twice."""

_OURS = re.compile(r"/(?:infill|health|v1(?:/.*)?)", re.DOTALL)

Form = completions.CompletionForm | infill.InfillForm


class OpenAIApi:
    """ASGI: the endpoints for other tools.

    Args:
        client: the handle on the engine.
        key: required of callers; None lets everyone in.
    """

    def __init__(self, client: EngineClient, key: str | None) -> None:
        self._client = client
        self._key = ApiKey(key)
        self._began_s = int(time.time())
        self._router = Router(
            [
                *(Route(path, self._health) for path in HEALTH),
                Route(MODELS, self._list_models),
                Route(MODELS + "/{name:path}", self._list_models),
                Route(COMPLETIONS, self._complete, methods=["POST"]),
                Route(INFILL, self._complete, methods=["POST"]),
            ],
            redirect_slashes=False,
            default=_not_found,
        )

    def has(self, path: str) -> bool:
        """Return whether a path is one of these endpoints."""
        return _OURS.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, foreign: bool) -> None:
        """Answer a request that the guard let in.

        Args:
            foreign: it comes from a page of another site.
        """
        try:
            if foreign:
                raise Problem(403, FOREIGN, code="foreign_origin", kind="permission_error")
            if scope["path"] not in HEALTH and not self._key.accepts(Headers(scope=scope)):
                raise Problem(
                    401,
                    "The key is missing or wrong: Authorization: Bearer KEY.",
                    code="invalid_api_key",
                )
            await self._router(scope, receive, send)
        except bodies.Refused as refused:
            await _respond(Problem.refused(refused), scope, receive, send)
        except HTTPException as error:  # Starlette's, of a method
            allowed = (error.headers or {}).get("Allow", "")
            problem = Problem(405, f"This address takes {allowed}.", code="wrong_method")
            await _respond(problem, scope, receive, send)
        except Problem as problem:
            await _respond(problem, scope, receive, send)

    async def _health(self, _: Request) -> Response:
        self._ready()
        return JSONResponse({"status": "ok"})

    def _ready(self) -> Status:
        """Return the status of an engine that has a model.

        Raises:
            Problem: no model is loaded.
        """
        status = self._client.status()
        if status.device is None or status.preset is None:
            raise not_ready()
        return status

    async def _list_models(self, request: Request) -> Response:
        """Respond with the served model, as a list of one, or by its name."""
        served, name = self._ready().preset, request.path_params.get("name")
        model = {
            "id": served,
            "object": "model",
            "created": self._began_s,
            "owned_by": "codegemma-ui",
        }
        if not name:
            return JSONResponse({"object": "list", "data": [model]})
        fields.check_model({"model": name}, served or "")
        return JSONResponse(model)

    async def _complete(self, request: Request) -> Response:
        headers = request.headers
        length = headers.get("content-length")
        declared = None if length is None else length.encode()
        body = await bodies.read(request.receive, declared, bodies.MAX_BODY_BYTES)
        given = bodies.parse_json(
            headers.get("content-type", ""), body, MAX_VALUES, token_ids="prompt"
        )
        refusal = self._client.refusal()
        if refusal is not None:
            raise Problem.of(refusal)
        status, vocabulary = self._ready(), self._client.vocabulary()
        form: Form
        if request.url.path == COMPLETIONS:
            form = completions.CompletionForm(given, status.preset or "", vocabulary)
        else:
            form = infill.InfillForm(given, status.preset or "", status.context_length)
        counted = form.ask, vocabulary, status.context_length
        if len(body) > SHORT_BYTES:
            # Counting takes a while, so in a thread; anyio ends idle ones.
            raw, cut = await anyio.to_thread.run_sync(fields_for, *counted)
        else:
            raw, cut = fields_for(*counted)
        writing = Writing(form.ask, vocabulary.stop_ids, cut=cut)
        return _Answer(self._client.submit(raw), form, writing)


class _Answer(Response):
    """The answer to one completion, written while it is generated.

    A disconnect ends the generation at once, also before its first token. Pieces are read as fast as they
    arrive, so that a slow reader holds no slot. Starlette's StreamingResponse does neither.

    Args:
        generation: cancelled when the answer ends.
        form: how the answer is written.
        writing: what has been written so far.
    """

    def __init__(self, generation: Generation, form: Form, writing: Writing) -> None:
        self._generation, self._form, self._writing = generation, form, writing
        self._ready: asyncio.Queue[Piece | Problem | None] = asyncio.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response.

        Raises:
            Problem: before anything was sent.
        """
        problem: Problem | None = None

        async def leave() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        with self._generation:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._take)
                tasks.start_soon(leave)
                if self._form.stream:
                    problem = await self._stream(send)
                else:
                    problem = await self._write(scope, receive, send)
                tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem

    async def _take(self) -> None:
        try:
            async with aclosing(self._writing.pieces(self._generation)) as pieces:
                async for piece in pieces:
                    self._ready.put_nowait(piece)
            self._ready.put_nowait(None)
        except Problem as problem:
            self._ready.put_nowait(problem)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> Problem | None:
        whole = Piece()
        while isinstance(piece := await self._ready.get(), Piece):
            whole += piece
        if piece is None:
            await JSONResponse(self._form.whole(whole, self._writing))(scope, receive, send)
        return piece

    async def _stream(self, send: Send) -> Problem | None:
        """Write server-sent events, as both OpenAI and llama.cpp do. They begin once the engine has begun, so
        that what fails before that has a status of its own."""
        piece = await self._ready.get()
        if isinstance(piece, Problem):
            return piece

        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(SEND_S):
                await send(message)

        headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
        response = StreamingResponse(self._events(), headers=headers)
        with contextlib.suppress(TimeoutError):
            await response.stream_response(send_in_time)
        return None

    async def _events(self) -> AsyncIterator[bytes]:
        """Yield what has arrived by then, together: sending a part costs as much as many tokens."""
        part, ended = b"", False
        while not ended:
            pieces = [await self._ready.get()]
            while not self._ready.empty():
                pieces.append(self._ready.get_nowait())
            for event in map(self._written, pieces):
                if part and len(part) + len(event) > TOGETHER_BYTES:
                    yield part
                    part = b""
                part += event
            if part:
                yield part
            part, ended = b"", not isinstance(pieces[-1], Piece)

    def _written(self, piece: Piece | Problem | None) -> bytes:
        """Return the events that write a piece, a problem, or the end."""
        form = self._form
        if isinstance(piece, Piece):
            return _event(form.part(piece)) if form.tells(piece) else b""
        last = form.last(self._writing) if piece is None else [piece.body]
        return b"".join(map(_event, last)) + form.closing


def _event(fields: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


async def _not_found(*_: object) -> None:
    raise Problem(
        404,
        f"The endpoints are {COMPLETIONS}, {MODELS} and {INFILL}. Chat is not supported.",
        code="not_found",
    )


async def _respond(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse(problem.body, problem.status, problem.headers)
    await refuse(response, scope, receive, send, unread=problem.unread)
