"""What is kept for each page that is open."""

from __future__ import annotations

import gradio as gr

from codegemma_ui.server.sessions import Sessions


def test_a_page_keeps_of_its_own_what_a_value_is_checked_by_and_no_other_control() -> None:
    with gr.Blocks() as blocks:
        model, run = gr.Dropdown(["a"]), gr.State()
        note, other = gr.HTML("as it was"), gr.HTML("as it was")
    sessions = Sessions()
    sessions.set_blocks(blocks)
    session = sessions["one"]
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
