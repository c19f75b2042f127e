"""The HTTP API: `/complete` and `/status`, for `gradio_client` or any client of Gradio's queue."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import gradio as gr
from gradio.events import api

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.progress import updates
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.ui.events import blocks_under_construction
from codegemma_ui.ui.listeners import listening


def wire(client: EngineClient) -> None:
    """Add both endpoints to the Blocks under construction."""
    blocks = blocks_under_construction()

    async def complete(
        prefix: str = "",
        suffix: str = "",
        max_length: int = DEFAULT_MAX_LENGTH,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        layout: str = "psm",
        path: str = "",
        files: list[dict[str, str]] | None = None,
        forced: str | list[int] | None = None,
        score: bool = False,
        stop_on_repetition: bool = True,
        one_line: bool = False,
        stop: str | list[str] | None = None,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[dict[str, Any]]:
        """Fill in the middle between prefix and suffix.

        Streams dicts with all keys of the `done` event, values so far or null: on acceptance, at the
        first token, then at least every 0.1 s, and the final one. A refusal or failure is a last dict
        `{"event": "error", "code": …, "message": …, "hint": …}`.
        """
        raw = {
            "prefix": prefix,
            "suffix": suffix,
            "max_length": max_length,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
            "layout": layout,
            "path": path,
            "files": files,
            "forced": forced,
            "score": score,
            "stop_on_repetition": stop_on_repetition,
            "one_line": one_line,
            "stop": stop,
        }
        session = request.session_hash if request else None
        with listening(blocks, session, page=False) as has_listener:
            async with aclosing(updates(client.submit(raw), has_listener)) as progresses:
                async for progress in progresses:
                    yield progress.to_dict()

    def status() -> dict[str, Any]:
        """Return the current state of the playground, even while it is busy."""
        return asdict(client.status())

    api(complete, api_name="complete", concurrency_limit=None)
    api(status, api_name="status", queue=False)
