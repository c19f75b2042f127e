"""Number fields that set a value outside their range right, where Gradio's raise an error.

The page corrects what it shows (`static/ranges.js`); a value can be sent before that, while it is typed.
"""

from __future__ import annotations

import gradio as gr


class BoundedSlider(gr.Slider):
    """A slider whose value is within its range; an empty one is at its minimum."""

    def preprocess(self, payload: float | None) -> float:  # type: ignore[override]
        return super().preprocess(_within(payload, self.minimum, self.maximum))

    def get_block_name(self) -> str:
        return "slider"


class BoundedNumber(gr.Number):
    """A number field whose value is within its range; an empty one is at its minimum."""

    def preprocess(self, payload: float | None) -> float | int | None:
        assert self.minimum is not None
        assert self.maximum is not None
        return super().preprocess(_within(payload, self.minimum, self.maximum))

    def get_block_name(self) -> str:
        return "number"


def _within(value: float | None, least: float, most: float) -> float:
    return min(max(least if value is None else value, least), most)
