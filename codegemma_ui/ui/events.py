"""Options shared by all events of the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

SKIP: dict[Any, Any] = gr.skip()
"""Leave this control alone; returned by itself, all of them."""

Updates = dict[Any, Any]
"""The return value of a handler: new values by control. Controls that it does not name are left alone."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Not in the API, and without a progress overlay."""

AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}
"""Private, and handled in every state of the engine."""


def blocks_under_construction() -> gr.Blocks:
    """Return the Blocks under construction, for its load event."""
    blocks = gr.context.Context.root_block
    assert blocks is not None
    return blocks
