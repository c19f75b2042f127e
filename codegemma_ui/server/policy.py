"""The security headers, and the strictest content policy that Gradio 6.31 works under.

Only inline scripts written by the server run: each is allowed by its hash, so that injected markup could not
run anything. Gradio compiles its HTML templates with `Function`, which needs 'unsafe-eval', and styles
elements inline, which needs 'unsafe-inline' for styles. A Space is shown in a frame of huggingface.co;
elsewhere no other site may frame the page.
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
    """Return the policy of a response.

    Args:
        scripts: the inline scripts that it may run, as they appear between their tags.
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
    """Return the origins that may frame our pages; Hugging Face sets `SPACE_ID` on a Space."""
    on_a_space = bool(os.environ.get("SPACE_ID"))
    return "'self' https://huggingface.co https://*.hf.space" if on_a_space else "'self'"


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


class PagePolicy:
    """ASGI middleware inside Gradio's own: an HTML response allows the scripts it contains, and ours.

    Ours are sent in Gradio's configuration and inserted by the browser, so the HTML does not contain them as
    scripts.
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
