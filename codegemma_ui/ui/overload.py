"""ASGI middleware: in a flood, a completion that would be refused anyway is refused before Gradio sees it.

One refusal costs Gradio 12 ms (6.31, measured), which a few people a second may be worth: theirs is a notice
on the page, in their language. A crowd is answered 503, in well under one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import gradio as gr
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import sentences
from codegemma_ui.ipc.messages import event_to_dict

GENTLE = 3
"""Refusals in a second that Gradio may bring to the page."""

ON_THE_WAY_S = 2.0
"""Seconds after which a request that was let in and has not begun is no longer counted."""

_CALLS = ("/gradio_api/call/complete", "/gradio_api/call/v2/complete")
_JOIN = "/gradio_api/queue/join"

BODY = "codegemma_ui.body"
"""Key of an ASGI scope: the body, as the guard has parsed it."""


class OverloadMiddleware:
    """See the module.

    Args:
        app: Gradio's.
        blocks: whose queue it stands before.
        client: what is let in goes to it.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        blocks: gr.Blocks,
        client: EngineClient,
    ) -> None:
        self._app, self._blocks, self._client = app, blocks, client
        self._on_the_way: deque[float] = deque()
        self._begun = 0
        self._gently: deque[float] = deque(maxlen=GENTLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").rstrip("/")
        asks = scope["type"] == "http" and scope["method"] == "POST" and path in (*_CALLS, _JOIN)
        if asks and path == _JOIN:
            asks = self._completes(scope.get(BODY, {}))
        refusal = self._client.refusal(self._count()) if asks else None
        if refusal is not None and not self._has_time():
            detail = {"detail": sentences(refusal.message, refusal.hint)}
            answer = JSONResponse(event_to_dict(refusal) | detail, 503, {"Retry-After": "2"})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, self._counting(send) if asks else send)

    def _counting(self, send: Send) -> Send:
        """Count a request as on its way, until it is answered that it does not come."""
        came_s = time.monotonic()
        self._on_the_way.append(came_s)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                with suppress(ValueError):  # it is counted no longer
                    self._on_the_way.remove(came_s)
            await send(message)

        return sent

    def _count(self) -> int:
        """Return how many were let in and have not begun yet: Gradio takes them one by one."""
        while self._on_the_way and self._begun < self._client.submitted:
            self._on_the_way.popleft()
            self._begun += 1
        self._begun = self._client.submitted
        while self._on_the_way and time.monotonic() - self._on_the_way[0] > ON_THE_WAY_S:
            self._on_the_way.popleft()
        return len(self._on_the_way)

    def _has_time(self) -> bool:
        """Return whether a refusal may go to the page; takes one of those places if so."""
        now = time.monotonic()
        if len(self._gently) == GENTLE and now - self._gently[0] < 1.0:
            return False
        self._gently.append(now)
        return True

    def _completes(self, body: Mapping[str, Any]) -> bool:
        number = body.get("fn_index")
        event = self._blocks.fns.get(number) if isinstance(number, int) else None
        return event is not None and event.queue  # all others are answered at once
