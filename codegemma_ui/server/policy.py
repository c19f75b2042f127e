"""The security headers, and a content policy as tight as Gradio 6.31 runs under.

No inline script runs but those that the server itself wrote: each is allowed by the hash of its text, so
that markup which slipped into the page would still run nothing. Gradio compiles its HTML templates with
`Function`, which takes 'unsafe-eval', and styles its elements one by one, which takes 'unsafe-inline' for
styles. On a Space the page is shown inside a frame of huggingface.co; nowhere else may another site frame it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codegemma_ui.server import assets

POLICY_HEADER = b"content-security-policy"

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)

_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def content_policy(scripts: Iterable[bytes] = ()) -> bytes:
    """The policy of a response.

    Args:
        scripts: the inline scripts that it may run, as they stand between their tags.
    """
    allowed = " ".join(dict.fromkeys(_hash(script) for script in scripts))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {allowed}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'self'",
            f"frame-ancestors {_frames()}",
        )
    ).encode()


def _frames() -> str:
    """Which pages may frame ours; Hugging Face sets `SPACE_ID` where it runs a Space."""
    on_a_space = bool(os.environ.get("SPACE_ID"))
    return "'self' https://huggingface.co https://*.hf.space" if on_a_space else "'self'"


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


class PagePolicy:
    """ASGI middleware inside Gradio's own: an HTML answer allows the scripts that stand in it, and ours.

    Ours travel in Gradio's configuration and become elements in the browser, so they do not stand in the
    HTML as scripts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ours = [script.encode() for script in assets.scripts()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        parts: list[bytes] = []

        async def with_policy(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            policy = content_policy([*_INLINE_SCRIPT.findall(body), *self._ours])
            start["headers"] = [*start["headers"], (POLICY_HEADER, policy)]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, with_policy if scope["type"] == "http" else send)


def _is_html(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)
