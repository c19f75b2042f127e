"""Send a refusal to a client that may still be sending its request."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codegemma_ui.server import bodies


async def refuse(
    response: Response, scope: Scope, receive: Receive, send: Send, *, unread: bool
) -> None:
    """Send a whole response, and only then close it.

    Args:
        unread: whether the request body has not been read. The rest of it is drained, up to a limit, because
            a client whose connection is closed while it sends does not read the response.
    """
    if not unread:
        await response(scope, receive, send)
        return
    response.headers["connection"] = "close"
    start = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await bodies.drain(receive)
    await send({"type": "http.response.body", "body": b""})
