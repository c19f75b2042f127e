"""A field for stop strings, one a line."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MEANS = {written: character for character, written in _ESCAPES.items()}


class StopField(gr.Textbox):
    """A text box whose value is a list of strings. In each, `\\n` is a line break and `\\t` a tab."""

    def preprocess(self, payload: str | None) -> list[str]:  # type: ignore[override]
        return read(payload or "")

    def postprocess(self, value: Sequence[str] | None) -> str:
        return written(value or ())

    def get_block_name(self) -> str:
        return "textbox"


def read(typed: str) -> list[str]:
    """Return the strings of a text, without empty lines."""
    return [_unescaped(line) for line in typed.split("\n") if line]


def written(strings: Sequence[str]) -> str:
    """Return the text of strings."""
    return "\n".join("".join(_ESCAPES.get(one, one) for one in each) for each in strings)


def _unescaped(line: str) -> str:
    characters, at = [], 0
    while at < len(line):
        length = 2 if line[at : at + 2] in _MEANS else 1
        part = line[at : at + length]
        characters.append(_MEANS.get(part, part))
        at += length
    return "".join(characters)
