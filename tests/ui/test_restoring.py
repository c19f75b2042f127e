"""Restoration of a tab's saved state by the server, which shows nothing of forged ones."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from codegemma_ui.completions.recording import Recording
from codegemma_ui.ipc.messages import CancelledEvent, DoneEvent, TokenEvent, parse_request
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from codegemma_ui.ui.context_files import ContextFiles
from codegemma_ui.ui.restoring import CONTROLS, Restorer
from codegemma_ui.ui.strings import Language, text
from tests.support.scripted_client import ScriptedClient

SKIP = gr.skip()
REQUEST = {"prefix": "import ", "suffix": "\n", "max_length": 64}
CUT = {"request": REQUEST, "ending": "LF", "preset": "bundled", "error": None, "middle": "s<b>"}


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    client = ScriptedClient(Settings())
    blocks = layout.build(client, client.settings)  # type: ignore[arg-type]
    owners = (getattr(function.fn, "__self__", None) for function in blocks.fns.values())
    (found,) = [owner for owner in owners if isinstance(owner, Restorer)]
    return found


def restored(restorer: Restorer, told: Any, language: Language = "en") -> dict[str, Any]:
    """Return the updates by the names of their controls, without unchanged ones."""
    told = told if isinstance(told, str) else json.dumps(told)
    updates = restorer.restore(told, language)
    assert set(updates) <= set(restorer.outputs)
    return {
        str(control.elem_id).replace("-", "_"): update
        for control, update in updates.items()
        if update != SKIP
    }


@pytest.mark.parametrize(
    "told",
    [
        *("", "{", "[]", "null", "3", '"x"', "[" * 3000),
        *({}, {"controls": []}, {"run": 3, "lesson": "x", "controls": "y"}),
        {"lesson": {"lesson": "no such", "try": None}},
        {"lesson": {"lesson": ["x"], "try": {}}, "advanced": "true"},
        {"run": {"recording": {"version": 0}}},
        {"run": {"recording": [1, 2]}},
        {"run": {**CUT, "request": "x"}},
        {"run": {**CUT, "request": {"prefix": 3}}},
        {"run": {**CUT, "request": {"no_such_field": 1}}},
        {"run": {**CUT, "ending": "<b>"}},
        {"run": {**CUT, "middle": 3}},
        {"run": {**CUT, "middle": "a\ud83d"}},
        {"run": {**CUT, "request": {"prefix": "a\ud83d"}}},
        {"run": {**CUT, "error": {"code": "\ud83d"}}},
        {"controls": {"truth": "a\ud83d", "files": "\ud83d", "path": "\ud83d"}},
        {"controls": {"model": "other", "backend": "torch", "precision": "int8", "before": "x"}},
    ],
    ids=str,
)
def test_what_is_not_understood_leaves_the_page_as_it_is(restorer: Restorer, told: Any) -> None:
    assert set(restored(restorer, told)) == {"recorded"}


def test_settings_come_back_as_they_were(restorer: Restorer) -> None:
    controls = {
        "max_length": 200,
        "temperature": 0.5,
        "top_k": 40,
        "top_p": 0.9,
        "seed": None,
        "stop_on_repetition": False,
        "one_line": True,
        "auto_length": False,
        "stop_strings": "\\n\\n\nclass ",
        "layout": "spm",
        "path": "src/한글.py",
        "ending": "CRLF",
        "code_language": "",
        "example": "table",
        "files": "a.py\n<|file_sep",
        "truth": "x",
    }
    assert set(controls) == set(CONTROLS)
    shown = restored(restorer, {"controls": controls, "advanced": True})
    assert shown.pop("advanced") == gr.update(open=True)
    shown.pop("recorded")
    assert shown == controls | {"stop_strings": ["\n\n", "class "]}


IMPOSSIBLE: dict[str, tuple[Any, ...]] = {
    "max_length": (None, 3, "64", [], 10**12, 64.5),
    "temperature": (-1, 6, "x", {}),
    "seed": (-1, 2**40, "seven", 1.5),
    "layout": ("<b>", 3),
    "path": (3, "x" * 1000, "a\nb"),
    "one_line": ("yes", 1),
    "auto_length": (None, "yes", 1),
    "stop_strings": (None, ["a"]),
    "ending": ("CR", None, ["LF"]),
    "code_language": ("klingon", None),
    "example": ("no such", {}),
    "files": (None, [{"path": "x"}], "x" * 2_000_001),
    "truth": (None,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in IMPOSSIBLE.items() for value in values]
)
def test_a_value_that_cannot_be_is_left_out(restorer: Restorer, name: str, value: Any) -> None:
    expected = {"recorded"}
    if (name, value) == ("max_length", None):
        expected |= {name}  # the default
    assert set(restored(restorer, {"controls": {name: value}})) == expected


def test_a_total_length_that_this_model_does_not_have_becomes_its_longest(
    restorer: Restorer,
) -> None:
    assert restored(restorer, {"controls": {"max_length": 8192}})["max_length"] == 512


@pytest.mark.parametrize("last", [DoneEvent(stop_reason="max_length"), CancelledEvent()])
@pytest.mark.parametrize("opened", [False, True])
def test_a_run_is_shown_again_and_told_to_the_page(
    restorer: Restorer, last: DoneEvent | CancelledEvent, opened: bool
) -> None:
    client = restorer._client
    request = parse_request(REQUEST, 512)
    token = TokenEvent(index=0, id=9, text="sys", piece="sys", logprob=-0.1, alternatives=())
    recorded = Recording(request, "LF", client.vocabulary().prompt_of(request), (token,), last)
    shown = restored(restorer, {"run": {"recording": recorded.to_dict(), "opened": opened}})
    assert shown["middle"] == "sys"
    assert ("Nothing was run" in shown["outcome"]) is opened
    assert "&quot;ready&quot;:true" in shown["recorded"]
    assert f"&quot;opened&quot;:{str(opened).lower()}" in shown["recorded"]
    assert ('class="caption stopped"' in shown["caption"]) is isinstance(last, CancelledEvent)
    assert "suffix" not in shown


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_run_that_was_cut_off_says_so_and_keeps_what_was_written(
    restorer: Restorer, language: Language
) -> None:
    shown = restored(restorer, {"run": CUT}, language)
    assert shown["middle"] == "s<b>"
    assert "s&lt;b&gt;" in shown["program"]
    assert "s&lt;b&gt;" in shown["raw_output"]
    assert "fim_prefix" in shown["raw_prompt"]
    assert text("cut", language) in shown["outcome"]
    assert "data-write-on" in shown["outcome"]
    assert text("stop_cut", language) in shown["caption"]

    early = restored(restorer, {"run": {**CUT, "middle": ""}}, language)
    assert text("cut_early", language) in early["outcome"]
    assert "data-write-on" not in early["outcome"]


def test_another_models_prompt_is_not_made_up(restorer: Restorer) -> None:
    shown = restored(restorer, {"run": {**CUT, "preset": "codegemma_2b_en"}})
    assert shown["middle"] == "s<b>"
    assert "fim_prefix" not in shown["raw_prompt"]


def test_a_run_that_failed_comes_back_with_its_error(restorer: Restorer) -> None:
    error = {"code": "worker_died", "message": "It <b>died</b>.", "hint": 3}
    shown = restored(restorer, {"run": {**CUT, "error": error}})
    assert "It &lt;b&gt;died&lt;/b&gt;." in shown["outcome"]
    assert text("stop_error", "en") in shown["caption"]
    assert "data-write-on" not in shown["outcome"]


def test_files_are_put_back_as_they_were_typed() -> None:
    typed = "a.py\n<|file_sep"
    assert ContextFiles().postprocess(typed) == typed


def test_a_first_look_leaves_a_total_length_alone_that_fits() -> None:
    """Its response may arrive after the tab's saved state was restored."""
    client = ScriptedClient(Settings())
    blocks = layout.build(client, client.settings)  # type: ignore[arg-type]
    look = next(
        function.fn
        for function in blocks.fns.values()
        if getattr(function.fn, "__name__", "") == "look"
    )
    asking: Any = SimpleNamespace(username=None)
    assert look is not None
    fits, over = (
        next(
            update
            for control, update in look(None, None, value, "en", asking).items()
            if control.elem_id == "max-length"
        )
        for value in (200, 8192)
    )
    assert (fits["maximum"], fits.get("value")) == (512, None)
    assert (over["maximum"], over["value"]) == (512, 512)
