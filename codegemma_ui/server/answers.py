"""The words of a wall: one small JSON answer of its own, in the shape of Gradio's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import Send


async def answer(
    send: Send,
    status: int,
    body: Mapping[str, Any] | bytes,
    *,
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a whole response.

    Args:
        body: an object for JSON, or bytes of another kind.
    """
    await begin(send, status, body, kind=kind, headers=headers)
    await send({"type": "http.response.body", "body": b""})


async def begin(
    send: Send,
    status: int,
    body: Mapping[str, Any] | bytes,
    *,
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a response but for its end, so that its reader has it while we still read the request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content, "more_body": True})


async def refuse(send: Send, status: int, said: str) -> None:
    """Say no, and why, under the key where Gradio's own refusals say it."""
    await answer(send, status, {"detail": said})
