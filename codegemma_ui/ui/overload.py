"""ASGI middleware: under overload, a completion that would be refused anyway is refused before Gradio.

One refusal costs Gradio 12 ms (6.31, measured), which is affordable for a few per second: those become a
notice on the page, in its language. The rest get a 503, in well under 1 ms.
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
"""Refusals per second that Gradio may show on the page."""

ON_THE_WAY_S = 2.0
"""Seconds after which an admitted request that has not begun is no longer counted."""

_CALLS = ("/gradio_api/call/complete", "/gradio_api/call/v2/complete")
_JOIN = "/gradio_api/queue/join"

BODY = "codegemma_ui.body"
"""Key of an ASGI scope: the body, as the guard has parsed it."""


class OverloadMiddleware:
    """Refuses completions under overload.

    Args:
        app: Gradio's application.
        blocks: the page whose queue it protects.
        client: receives the admitted requests.
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
        submits = scope["type"] == "http" and scope["method"] == "POST" and path in (*_CALLS, _JOIN)
        if submits and path == _JOIN:
            submits = self._completes(scope.get(BODY, {}))
        refusal = self._client.refusal(self._count()) if submits else None
        if refusal is not None and not self._has_time():
            detail = {"detail": sentences(refusal.message, refusal.hint)}
            response = JSONResponse(event_to_dict(refusal) | detail, 503, {"Retry-After": "2"})
            await response(scope, receive, send)
            return
        await self._app(scope, receive, self._counting(send) if submits else send)

    def _counting(self, send: Send) -> Send:
        """Count a request as on its way, until it is refused."""
        came_s = time.monotonic()
        self._on_the_way.append(came_s)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                with suppress(ValueError):  # it is counted no longer
                    self._on_the_way.remove(came_s)
            await send(message)

        return sent

    def _count(self) -> int:
        """Return the number of admitted requests that have not begun yet: Gradio starts them one by one."""
        while self._on_the_way and self._begun < self._client.submitted:
            self._on_the_way.popleft()
            self._begun += 1
        self._begun = self._client.submitted
        while self._on_the_way and time.monotonic() - self._on_the_way[0] > ON_THE_WAY_S:
            self._on_the_way.popleft()
        return len(self._on_the_way)

    def _has_time(self) -> bool:
        """Return whether a refusal may be shown on the page, and count it if so."""
        now = time.monotonic()
        if len(self._gently) == GENTLE and now - self._gently[0] < 1.0:
            return False
        self._gently.append(now)
        return True

    def _completes(self, body: Mapping[str, Any]) -> bool:
        number = body.get("fn_index")
        event = self._blocks.fns.get(number) if isinstance(number, int) else None
        return event is not None and event.queue  # all others are handled at once
