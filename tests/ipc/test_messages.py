"""Requests are validated in one place; events survive the trip between processes."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.ipc.messages import (
    Alternative,
    CancelledEvent,
    CompletionRequest,
    DoneEvent,
    ErrorEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    TokenEvent,
    event_from_dict,
    event_to_dict,
    parse_request,
    to_json,
)

EVENTS: list[Event] = [
    PromptEvent(
        prompt="<|fim_prefix|>",
        prompt_tokens=4,
        max_length=128,
        trimmed_prefix_tokens=0,
        trimmed_suffix_tokens=3,
        token_ids=(2, 4, 5, 6),
        roles=("bos", "control", "control", "control"),
    ),
    PrefillEvent(prefilled_tokens=384, total_tokens=951),
    TokenEvent(index=0, id=7, text="한", logprob=-0.5, alternatives=(Alternative(7, "한", -0.5),)),
    TokenEvent(index=1, id=1, text="", logprob=-2.0, alternatives=(), forced=True, past_end=True),
    DoneEvent(middle="a\u2028b", token_ids=(1, 2), stop_reason="stop_token", stop_token="<eos>"),
    CancelledEvent(middle="", token_ids=()),
    ErrorEvent(code="bad_input", message="no", hint="try"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_events_survive_the_line(event: Event) -> None:
    line = to_json(event_to_dict(event))
    assert "\n" not in line
    assert event_from_dict(json.loads(line)) == event


def test_done_has_exactly_the_contracts_keys() -> None:
    assert list(event_to_dict(DoneEvent())) == [
        *("event", "prompt", "raw_output", "middle", "program", "stop_reason", "stop_token"),
        *("token_ids", "prompt_tokens", "completion_tokens", "logprob", "ttft_s"),
        "tokens_per_s",
        *("preset", "backend", "dtype"),
    ]


def test_defaults() -> None:
    assert parse_request({}, 512) == CompletionRequest()
    assert parse_request({"prefix": None, "max_length": None}, 512) == CompletionRequest()


def test_a_switch_is_on_until_it_is_turned_off() -> None:
    assert parse_request({}, 512).stop_on_repetition
    assert not parse_request({"stop_on_repetition": False}, 512).stop_on_repetition
    with pytest.raises(BadInput, match="stop_on_repetition must be true or false"):
        parse_request({"stop_on_repetition": 1}, 512)


def test_stop_strings_are_one_or_several_and_never_empty() -> None:
    assert parse_request({"stop": "\n\n"}, 512).stop == ("\n\n",)
    assert parse_request({"stop": ["a", "", "b"]}, 512).stop == ("a", "b")
    assert parse_request({"stop": ""}, 512).stop == ()
    for wrong in (1, [1], ["a"] * 33, ["a" * 201], {"a": "b"}):
        with pytest.raises(BadInput, match="stop must be a string or a list of at most 32"):
            parse_request({"stop": wrong}, 512)
    with pytest.raises(BadInput, match="one_line must be true or false"):
        parse_request({"one_line": "yes"}, 512)


def test_whole_floats_are_whole_numbers() -> None:
    assert parse_request({"max_length": 64.0, "top_k": 5.0}, 512).max_length == 64


def test_seeds_of_32_bits_are_taken() -> None:
    assert parse_request({"seed": 2**32 - 1}, 512).seed == 2**32 - 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"prefix": 1}, "prefix must be a string. Received: int"),
        ({"suffix": ["a"]}, "suffix must be a string. Received: list"),
        ({"prefix": "x" * 200_001}, "prefix may have at most 200,000 characters"),
        ({"suffix": "\ud800"}, "lone surrogate"),
        ({"max_length": 31}, "max_length must be a whole number from 32 to 512. Received: 31"),
        ({"max_length": 513}, "Received: 513"),
        ({"max_length": True}, "Received: True"),
        ({"max_length": "64"}, "Received: '64'"),
        ({"max_length": 64.5}, "Received: 64.5"),
        ({"max_length": 10**400}, "Received: 1000"),
        ({"temperature": float("nan")}, "temperature must be a number from 0 to 5. Received: nan"),
        ({"temperature": -1}, "Received: -1"),
        ({"top_p": 1.5}, "top_p must be a number from 0 to 1"),
        ({"top_p": 10**400}, "top_p must be a number"),
        ({"top_k": -1}, "top_k must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 2**32}, "seed must be a whole number from 0 to 4294967295"),
        ({"layout": "pms"}, "layout must be one of psm, spm, ltr. Received: 'pms'"),
        ({"layout": []}, "layout must be one of"),
        ({"temprature": 1}, "Unknown setting. Received: 'temprature'"),
        ({"forced": 5}, "forced must be text or a list of at most 512 token ids. Received: 5"),
        ({"forced": [1, "2"]}, "Received: [1, '2']"),
        ({"forced": [True]}, "Received: [True]"),
        ({"forced": [-1]}, "Received: [-1]"),
        ({"forced": [1.0]}, "Received: [1.0]"),
        ({"forced": [1] * 513}, "at most 512 token ids. Received: 513 of them"),
        ({"forced": "\ud800"}, "forced must be valid Unicode"),
        ({"score": 1}, "score must be true or false. Received: 1"),
        ({"path": "a\nb"}, "path must be one line"),
        ({"path": "x" * 501}, "path must be one line of at most 500 characters"),
        ({"path": ["a"]}, "path must be a string. Received: list"),
        ({"files": "a.py"}, "files must be a list of at most 8. Received: 'a.py'"),
        ({"files": [{}] * 9}, "files must be a list of at most 8"),
        ({"files": [{"name": "a"}]}, "Each of files must be like"),
        ({"files": [{"text": 5}]}, "text must be a string. Received: int"),
        (
            {"files": [{"text": "x" * 100_000}, {"text": "x" * 100_001}]},
            "files may have at most 200,000 characters together. Received: 200,001",
        ),
    ],
)
def test_bad_input_is_named(raw: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_request(raw, 512)
    assert said in caught.value.message
    assert len(caught.value.message) < 300


def test_a_request_survives_the_line() -> None:
    raw = {"files": [{"path": "a.py", "text": "x"}], "forced": [1, 2], "score": True, "path": "b"}
    request = parse_request(raw, 512)
    assert request.files == (fim.File("a.py", "x"),)
    assert CompletionRequest.from_dict(json.loads(to_json(asdict(request)))) == request
    assert CompletionRequest.from_dict(asdict(CompletionRequest(forced="x"))).forced == "x"
