"""A completion survives a round trip through JSON, and invalid ones are rejected."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from codegemma_ui import fim
from codegemma_ui.completions import recording
from codegemma_ui.completions.recording import Recording
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import (
    Alternative,
    CancelledEvent,
    DoneEvent,
    TokenEvent,
    parse_request,
)


@pytest.fixture
def recorded(vocabulary: Vocabulary) -> Recording:
    prefix, suffix = "한 = '😀'\nimport ", "\nsys.exit(0)"
    raw = {
        **{"prefix": prefix, "suffix": suffix, "seed": 3, "path": "a.py", "forced": [1, 2]},
        "files": [{"path": "b.py", "text": "B = 1\n"}],
    }
    request = parse_request(raw, 512)
    tokens = (
        TokenEvent(
            index=0,
            id=9,
            text="sys",
            piece="sys",
            logprob=-0.25,
            alternatives=(Alternative(9, "sys", -0.25), Alternative(8, "os", -1.5)),
            stop_probability=0.001,
            forced=True,
        ),
        TokenEvent(index=1, id=70, text="", piece="<|x|>", logprob=-0.5, alternatives=()),
        TokenEvent(
            index=2, id=4, text="p", piece="p", logprob=-1.0, alternatives=(), past_end=True
        ),
    )
    prompt = vocabulary.prompt(prefix, suffix, 128, "psm", "a.py", request.files)
    last = DoneEvent(
        prompt=prompt.text,
        raw_output="sys<|x|>p",
        middle="sys",
        program=fim.splice(prefix, "sys", suffix),
        stop_reason="max_length",
        stop_token="<|x|>",
        token_ids=(9, 70, 4),
        prompt_tokens=len(prompt.tokens),
        completion_tokens=3,
        logprob=-1.75,
        ttft_s=0.5,
        preset="bundled",
        backend="jax",
        dtype="float32",
    )
    return Recording(request, "CRLF", prompt, tokens, last)


def test_it_survives_as_json(recorded: Recording) -> None:
    text = json.dumps(recorded.to_dict(), allow_nan=False)
    assert recording.from_dict(json.loads(text)) == recorded


def paths(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the path of every part of a JSON value, including the whole."""
    found = [path]
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            found += paths(one, (*path, key))
    return found


@pytest.mark.parametrize(
    "wrong", [None, -1, 0.5, "x", [], {}, [[1]], float("nan"), 2**40, 10**400, True]
)
def test_whatever_is_wrong_in_it_is_refused_or_harmless(recorded: Recording, wrong: Any) -> None:
    """Each part in turn is replaced; what is then accepted is still a valid recording."""
    whole = recorded.to_dict()
    refused = 0
    for path in paths(whole)[1:]:
        raw = copy.deepcopy(whole)
        place: Any = raw
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = wrong
        try:
            read = recording.from_dict(raw)
        except BadInput:
            refused += 1
            continue
        json.dumps(read.to_dict(), allow_nan=False)
    assert refused > 20


def test_half_of_a_character_is_refused_wherever_it_stands(recorded: Recording) -> None:
    whole = recorded.to_dict()
    for path in paths(whole)[1:]:
        raw = copy.deepcopy(whole)
        place: Any = raw
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "a\ud83d"
        with pytest.raises(recording.Unshowable, match="lone surrogate") as caught:
            recording.from_dict(raw)
        assert caught.value.why == "half_character"


@pytest.mark.parametrize("reason", [None, "", "tired", "cancelled", "scored\0"])
def test_an_unknown_reason_is_refused(recorded: Recording, reason: str | None) -> None:
    raw = recorded.to_dict()
    raw["last"]["stop_reason"] = reason
    with pytest.raises(recording.Unshowable, match="stop_reason must be one of") as caught:
        recording.from_dict(raw)
    assert caught.value.why == "stop_reason"


def test_one_that_a_person_stopped_needs_no_reason(recorded: Recording) -> None:
    raw = replace(recorded, last=CancelledEvent(preset="bundled")).to_dict()
    assert recording.from_dict(raw).last.stop_reason is None


@pytest.mark.parametrize("raw", [{}, {"version": 2}, {"version": 1}, {"version": 1, "request": 5}])
def test_what_is_none_is_refused(raw: dict) -> None:
    with pytest.raises(BadInput):
        recording.from_dict(raw)


def test_what_a_server_did_not_tell_stays_untold(recorded: Recording) -> None:
    tokens = tuple(replace(token, logprob=None, alternatives=()) for token in recorded.tokens)
    last = replace(recorded.last, logprob=None, stop_token=None)
    untold = replace(recorded, tokens=tokens, last=last)
    again = recording.from_dict(json.loads(json.dumps(untold.to_dict())))
    assert again == untold
    assert again.last.logprob is None
