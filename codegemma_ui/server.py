"""Serving the page: Gradio's server with its extras off and a few walls around it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.types import Message, Receive, Scope, Send

from codegemma_ui.client import EngineClient
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout

STATIC = Path(__file__).parent / "ui" / "static"

# In the order of the cascade.
STYLESHEETS = ("colours.css", "page.css", "workspace.css", "panes.css", "narrow.css")

MAX_BODY_BYTES = 4 * 2**20
"""Two sides of 200,000 characters, at most six bytes each in JSON, and room to spare."""

# Gradio compiles its HTML templates with `Function`, so scripts need 'unsafe-eval'. A Space is shown
# inside a frame of huggingface.co.
SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)

_MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
_SANS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Noto Sans CJK KR",
    "sans-serif",
)


class Walls:
    """ASGI middleware: bodies have a limit, and every answer carries the security headers."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise _TooLarge
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", SECURITY_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"same-origin"),
                ]
            await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await _refuse(with_headers)
            return
        try:
            await self._app(scope, limited, with_headers)
        except _TooLarge:
            await _refuse(with_headers)


class _TooLarge(Exception):
    """A body went over its limit."""


async def _refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": []})
    body = f"A request may have at most {MAX_BODY_BYTES:,} bytes.".encode()
    await send({"type": "http.response.body", "body": body})


def theme() -> gr.themes.Base:
    """Gradio's plainest theme on system fonts; `static/*.css` does the rest."""
    return gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="slate",
        font=_SANS,
        font_mono=_MONOSPACE,
        radius_size="md",
    )


def page_assets() -> dict[str, Any]:
    """Our stylesheets and scripts, as `launch` takes them."""
    scripts = "\n".join(
        f"<script>\n{path.read_text(encoding='utf-8')}</script>"
        for path in sorted(STATIC.glob("*.js"))
    )
    return {"theme": theme(), "css_paths": [STATIC / name for name in STYLESHEETS], "head": scripts}


def start(blocks: gr.Blocks, settings: Settings) -> str:
    """Begin to serve, and return the address.

    Args:
        blocks: from `ui.layout.build`.
        settings: host and port; port 0 takes any free one.
    """
    _, url, _ = blocks.launch(
        server_name=settings.host,
        server_port=settings.port or _free_port(settings.host),
        prevent_thread_lock=True,
        quiet=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        share=False,
        pwa=False,
        mcp_server=False,
        max_file_size=0,
        # Gradio keeps what a page knows for an hour after it was closed, of so many pages: 0.3 MB each.
        state_session_capacity=200,
        # Each that runs or waits takes one of Gradio's places, and so does one on its way to a refusal.
        max_threads=settings.queue_size + 64,
        app_kwargs={"middleware": [Middleware(Walls), *layout.doors(blocks)]},
        **page_assets(),
    )
    return url


def launch(blocks: gr.Blocks, client: EngineClient, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then close the engine and the page."""
    over = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: over.set())
    url = start(blocks, settings)
    print(f"CodeGemma FIM Playground: {url}", flush=True)
    over.wait()
    client.close()  # first: it ends the streams that hold connections open
    blocks.close(verbose=False)


def _free_port(host: str) -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
