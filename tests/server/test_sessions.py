"""The state kept for each open page."""

from __future__ import annotations

import gradio as gr
import pytest

from codegemma_ui.server.sessions import Session, Sessions, size


def test_a_page_keeps_of_its_own_what_a_value_is_checked_by_and_no_other_control() -> None:
    with gr.Blocks() as blocks:
        model, run = gr.Dropdown(["a"]), gr.State()
        note, other = gr.HTML("as it was"), gr.HTML("as it was")
    sessions = Sessions()
    sessions.set_blocks(blocks)
    session = sessions["one"]
    assert isinstance(session, Session)
    session[model._id] = gr.Dropdown(["a", "b"], render=False)
    changed = gr.HTML("of one page", render=False)
    session[note._id] = changed
    assert session[note._id] is changed
    session[other._id] = gr.HTML("of one page", render=False)
    session[run._id] = {"text": "x" * 1000}
    sessions.update("one")
    assert session[model._id].choices == [("a", "a"), ("b", "b")]
    assert sessions["another"][model._id] is model
    assert session[note._id] is note
    assert session[run._id] == {"text": "x" * 1000}
    assert session.bytes > 1000


def test_a_new_session_asks_no_control_for_its_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gr.Blocks() as blocks:
        gr.Dropdown(["a"])
    sessions = Sessions()
    sessions.set_blocks(blocks)
    monkeypatch.setattr(gr.Dropdown, "get_config", pytest.fail)
    assert list(sessions["one"].components) == []


class Plain:
    def __init__(self, *parts: str) -> None:
        self.parts = parts


def test_what_any_object_holds_is_counted_once() -> None:
    text = "x" * 10_000
    held = size(Plain(text, text))
    assert 10_000 < held < 12_000
    assert size({"a": [Plain(text)], "b": Plain("y" * 10_000)}) > 20_000
