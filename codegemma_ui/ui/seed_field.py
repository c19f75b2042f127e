"""A field for a seed, which may be empty: then each completion has a new one."""

from __future__ import annotations

import gradio as gr

from codegemma_ui.ipc.messages import MAX_SEED

LONGEST = 20
"""Characters of any seed; what is longer is no number."""


class SeedField(gr.Textbox):
    """A text box whose value is a whole number, None where it is empty, or what else was typed.

    A `gr.Number` cannot stay empty: shown for the first time, it becomes 0 (6.31).
    """

    def preprocess(self, payload: str | float | None) -> int | str | None:  # type: ignore[override]
        # Other clients than the page send numbers.
        return read(None if payload is None else str(payload))

    def postprocess(self, value: int | str | None) -> str:
        return "" if value is None else str(value)

    def get_block_name(self) -> str:
        return "textbox"


def read(typed: str | None) -> int | str | None:
    """Return the seed of a text, the nearest one if there is none that large or small, or the text itself if
    it is no whole number."""
    stripped = (typed or "").strip()
    try:
        return min(max(int(stripped), 0), MAX_SEED) if len(stripped) <= LONGEST else stripped
    except ValueError:
        return stripped or None
