"""What every event of the page has in common."""

from __future__ import annotations

from typing import Any

import gradio as gr

SKIP: dict[Any, Any] = gr.skip()
"""Leave this control alone; returned by itself, all of them."""

Updates = dict[Any, Any]
"""What a handler returns: new values by control. Those that it does not name are left alone."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Not in the API, and no progress overlay over what it writes."""

AT_ONCE: dict[str, Any] = {**PRIVATE, "queue": False}
"""Private, and answered in every state of the engine."""


def blocks_under_construction() -> gr.Blocks:
    """For its load event."""
    blocks = gr.context.Context.root_block
    assert blocks is not None
    return blocks
