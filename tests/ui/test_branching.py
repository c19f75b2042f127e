"""Branch requests from the page: only its own values are accepted, and nothing that merely looks like
them."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from tests.support.scripted_client import ScriptedClient

SKIP = gr.skip()
QUESTION = {
    "request": {"prefix": "a", "suffix": "b"},
    "ending": "LF",
    "forced": [9],
    "parent": None,
}


def first_update(question: Any) -> dict[str, Any]:
    """Return the first update of a branch, by the names of its controls."""
    client = ScriptedClient(Settings())
    blocks = layout.build(client, client.settings)  # type: ignore[arg-type]
    (branch,) = [
        function.fn
        for function in blocks.fns.values()
        if function.fn is not None and getattr(function.fn, "__name__", "") == "show_branch"
    ]

    async def look() -> dict[Any, Any]:
        steps = branch(json.dumps(question), "en", SimpleNamespace(session_hash="s"))
        try:
            return await anext(steps)
        finally:
            await steps.aclose()

    updates = asyncio.run(look())
    return {} if updates == SKIP else {control.elem_id: new for control, new in updates.items()}


def test_a_branch_of_the_page_begins() -> None:
    for parent in (None, {"branch": 0, "at": 3}):
        assert "recorded" in first_update({**QUESTION, "parent": parent})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ending": "<b>"},
        {"ending": None},
        {"ending": ["LF"]},
        {"parent": {"branch": "<b>", "at": 1}},
        {"parent": [1]},
        {"parent": {"branch": "\ud83d", "at": 1}},
        {"request": [1]},
    ],
    ids=str,
)
def test_what_no_page_asks_shows_nothing(wrong: dict[str, Any]) -> None:
    assert first_update({**QUESTION, **wrong}) == {}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"prefix": "a\ud83d"}, "prefix must be valid Unicode"),
        ({"prefix": ["a"]}, "prefix must be a string"),
        ({"path": "\n"}, "path must be one line"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told(request_: dict[str, Any], said: str) -> None:
    told = first_update({**QUESTION, "request": request_})
    assert list(told) == ["outcome"]
    assert said in told["outcome"]
