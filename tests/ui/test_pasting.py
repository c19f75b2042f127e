"""Line endings of a pasted text: adopted, kept, or converted with a notice."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest

from codegemma_ui.ui.editing import pasted

KEEP = gr.skip()


def report(crlf: int = 0, lf: int = 0, cr: int = 0, fresh: bool = True) -> str:
    return json.dumps({"crlf": crlf, "lf": lf, "cr": cr, "fresh": fresh, "paste": 1})


@pytest.mark.parametrize(
    ("found", "ending", "new", "said"),
    [
        (report(crlf=3), "LF", "CRLF", ""),
        (report(lf=3), "LF", KEEP, ""),
        (report(lf=3), "CRLF", "LF", ""),
        (report(crlf=3, lf=1), "LF", "CRLF", "3 CRLF, 1 LF, 0 CR"),
        (report(crlf=1, lf=3), "LF", KEEP, "1 CRLF, 3 LF, 0 CR"),
        (report(cr=2), "LF", KEEP, "2 CR"),
        (report(crlf=2, fresh=False), "LF", KEEP, "converted to LF"),
        (report(lf=2, fresh=False), "CRLF", KEEP, "converted to CRLF"),
        (report(crlf=2, fresh=False), "CRLF", KEEP, ""),
    ],
)
def test_a_paste(found: str, ending: str, new: Any, said: str) -> None:
    got, notice = pasted(found, ending, "en")
    assert got == new
    assert said in notice
    assert bool(said) == bool(notice)


@pytest.mark.parametrize("found", ["", "nonsense", "[]", '{"crlf": 1}', "null"])
def test_nonsense_changes_nothing(found: str) -> None:
    assert pasted(found, "LF", "en") == [KEEP, KEEP]
