"""The server's output for the view that exports a completion, and the requests it rejects."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CancelledEvent, DoneEvent, TokenEvent, parse_request
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from tests.support.scripted_client import ScriptedClient

Write = Callable[..., Any]


def writer(settings: Settings) -> tuple[ScriptedClient, Write]:
    """Return the handler of the page's request for code."""
    client = ScriptedClient(settings)
    blocks = layout.build(client, settings)  # type: ignore[arg-type]
    (found,) = [
        function.fn
        for function in blocks.fns.values()
        if function.fn is not None
        and getattr(function.fn, "__module__", "").endswith(".share")
        and getattr(function.fn, "__name__", "") == "write"
    ]
    return client, found


@pytest.fixture(scope="module")
def written() -> tuple[ScriptedClient, Write]:
    return writer(Settings())


def recorded(vocabulary: Vocabulary, **asked: Any) -> Recording:
    request = parse_request({"prefix": "import ", "suffix": "\n", **asked}, 512)
    prompt = vocabulary.prompt(request.prefix, request.suffix, request.max_length)
    forced = request.forced if isinstance(request.forced, str) else ""
    token = TokenEvent(
        index=0,
        id=9,
        text=forced or "sys",
        piece="sys",
        logprob=-0.1,
        alternatives=(),
        forced=bool(forced),
    )
    last = DoneEvent(stop_reason="max_length", preset="bundled", backend="jax", dtype="float32")
    return Recording(request, "LF", prompt, (token,), last)


def ask(write: Write, one: Recording, **question: Any) -> dict[str, Any]:
    asked = {"recording": one.to_dict(), "of": 3, "address": "https://x.example/fim/", **question}
    shown = write(json.dumps(asked), "en")
    found = re.search(r'<div class="facts" hidden>(.*?)</div>', shown, re.DOTALL)
    assert found
    return json.loads(html.unescape(found[1]))


def by_tool(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["tool"]: one for one in facts["code"]}


def test_all_four_are_written_for_the_address_of_the_page(written, vocabulary) -> None:
    facts = ask(written[1], recorded(vocabulary))
    assert facts["of"] == 3
    assert list(by_tool(facts)) == ["KerasHub", "transformers", "llama.cpp", "curl"]
    assert "playground=https://x.example/fim\n" in by_tool(facts)["curl"]["text"]
    assert by_tool(facts)["curl"]["notes"] == []


@pytest.mark.parametrize(
    "address", [None, 5, "javascript:alert(1)", "https://x\n.example", "https://" + "x" * 600]
)
def test_an_address_that_is_none_becomes_the_usual_one(written, vocabulary, address) -> None:
    facts = ask(written[1], recorded(vocabulary), address=address)
    assert "playground=http://127.0.0.1:7860\n" in by_tool(facts)["curl"]["text"]


def test_no_code_for_a_model_that_is_not_offered(written, vocabulary) -> None:
    one = recorded(vocabulary)
    for name in ("hf://evil/model", "/etc", ""):
        strangers = replace(one, last=replace(one.last, preset=name))
        facts = ask(written[1], strangers)
        assert facts["code"] == []
        assert facts["refusal"] == text("take_unknown_model", "en", name=name)


def test_one_stopped_at_its_beginning_is_of_the_model_that_serves(written, vocabulary) -> None:
    last = CancelledEvent()
    facts = ask(written[1], replace(recorded(vocabulary), last=last))
    assert 'os.environ["KERAS_BACKEND"] = "tensorflow"' in by_tool(facts)["KerasHub"]["text"]
    assert by_tool(facts)["KerasHub"]["notes"] == [text("take_note_stopped", "en")]


def test_one_that_a_server_cut_off_is_said_not_to_have_ended(written, vocabulary) -> None:
    one = recorded(vocabulary)
    facts = ask(written[1], replace(one, last=replace(one.last, stop_reason="server")))
    assert text("take_note_stopped", "en") in by_tool(facts)["KerasHub"]["notes"]


def test_what_cannot_be_written_is_told(written, vocabulary) -> None:
    facts = ask(written[1], recorded(vocabulary, forced="a\0"))
    assert facts["code"] == []
    assert "NUL" in facts["refusal"]


def test_another_model_at_this_moment_is_told(vocabulary) -> None:
    client, write = writer(Settings())
    client.be(dtype="int8")
    facts = ask(write, recorded(vocabulary))
    assert by_tool(facts)["curl"]["notes"] == [text("take_note_serving", "en")]
    assert by_tool(facts)["KerasHub"]["notes"] == []


def test_a_closed_api_is_not_offered(vocabulary) -> None:
    facts = ask(writer(Settings(api=False))[1], recorded(vocabulary))
    assert "curl" not in by_tool(facts)


def test_a_login_is_told(vocabulary) -> None:
    facts = ask(writer(Settings(auth=("ann", "secret-word")))[1], recorded(vocabulary))
    assert by_tool(facts)["curl"]["notes"] == [text("take_note_login", "en")]
    assert "secret-word" not in json.dumps(facts)


def opened_as(question: dict[str, Any], language: Language) -> str:
    """Return the notice that a page gets for a link or a file."""
    client = ScriptedClient(Settings())
    blocks = layout.build(client, client.settings)  # type: ignore[arg-type]
    (found,) = [
        function.fn
        for function in blocks.fns.values()
        if function.fn is not None and getattr(function.fn, "__name__", "") == "open_recording"
    ]
    updates = found(json.dumps(question), language)
    assert [control.elem_id for control in updates] == ["outcome"]
    return html.unescape(str(*updates.values()))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("place", "value", "key"),
    [
        (("request", "prefix"), "a\ud83d", "open_half_character"),
        (("tokens", 0, 1), "\udc00", "open_half_character"),
        (("code_language",), "\ud83d", "open_half_character"),
        (("last", "stop_reason"), "tired", "open_stop_reason"),
        (("last", "stop_reason"), None, "open_stop_reason"),
        (("tokens", 0, 3), 10**400, "open_foreign"),
        (("last", "ttft_s"), "soon", "open_foreign"),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_reason(
    vocabulary, place: tuple, value: Any, key: str, language: Language
) -> None:
    raw: Any = recorded(vocabulary).to_dict()
    at = raw
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    assert text(key, language) in opened_as({"recording": raw}, language)


@pytest.mark.parametrize(
    "asked", ["", "[", "[]", "{}", '{"of": 1}', '{"of": "x", "recording": {}}', "[" * 5000]
)
def test_what_is_no_question_is_let_be(written, asked: str) -> None:
    assert written[1](asked, "en") == gr.skip()
