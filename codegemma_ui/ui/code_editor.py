"""Gradio's code editor, with its text unchanged."""

from __future__ import annotations

import gradio as gr


class CodeEditor(gr.Code):
    """`gr.Code` whose value keeps its leading and trailing whitespace.

    `gr.Code.postprocess` strips it, in outputs, initial values and examples (6.31). Gradio finds the
    browser's half of a component by its block name, so the subclass has to give its parent's.
    """

    def postprocess(self, value: str | None) -> str | None:
        return value

    def get_block_name(self) -> str:
        return "code"
