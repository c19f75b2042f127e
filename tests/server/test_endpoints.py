"""Positional calls of the public endpoints: missing values get defaults, and wrong ones an error."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import httpx
import pytest

from codegemma_ui.server.bodies import Refused
from codegemma_ui.server.endpoints import Endpoints, Parameter

CALL = "/gradio_api/call/"
FULL = ["echo", "x", 64, 0, 0, 1, None, "psm", "", None, None, False, True, False, None]
FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


def called(http: httpx.Client, name: str, body: object) -> list[dict[str, Any]]:
    """Return the last update of an endpoint."""
    asked = http.post(f"{CALL}{name}", json=body)
    assert asked.status_code == 200, asked.text
    stream = http.get(f"{CALL}{name}/{asked.json()['event_id']}").text
    assert "event: error" not in stream
    updates = stream.partition("event: complete\ndata: ")[2]
    told: list[dict[str, Any]] = json.loads(updates)
    return told


def refused(http: httpx.Client, path: str, body: object) -> str:
    answer = http.post(f"/gradio_api/{path}", json=body)
    assert answer.status_code == 422, answer.text
    said: str = answer.json()["detail"]
    return said


def test_fewer_values_are_filled_with_the_defaults_that_info_tells(http: httpx.Client) -> None:
    whole = called(http, "complete", {"data": FULL})
    assert whole[0]["program"] == "echoxx"
    for count in (2, 3, 8, 11):
        assert called(http, "complete", {"data": FULL[:count]}) == whole
    assert called(http, "v2/complete", {"prefix": "echo", "suffix": "x"}) == whole
    assert called(http, "complete", {"data": []})[0]["program"] == ""
    assert called(http, "status", {"data": []})[0]["state"] == "ready"


def test_a_default_is_one_of_info(http: httpx.Client) -> None:
    told = http.get("/gradio_api/info").json()["named_endpoints"]["/complete"]["parameters"]
    defaults = [each["parameter_default"] for each in told]
    assert len(defaults) == len(FULL)
    assert called(http, "complete", {"data": defaults}) == called(http, "complete", {"data": []})


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("complete", {"data": [*FULL, 1]}, "Received: 16 values, not at most 15."),
        ("complete", {"data": None}, "in this order: prefix, suffix, max_length"),
        ("complete", {"data": {"prefix": "a"}}, "Received: dict."),
        ("complete", {"prefix": "a"}, "Received: nothing."),
        ("complete", {}, "data must be a list of values"),
        ("complete", {"data": [FILE]}, "not hold gradio.FileData"),
        ("complete", {"data": ["a", [[FILE]]]}, "not hold gradio.FileData"),
        ("v2/complete", {"prefix": FILE}, "not hold gradio.FileData"),
        ("v2/complete", {"data": ["a"]}, "The parameters must be among files, forced"),
        ("status", {"data": [1]}, "data must be an empty list. Received: 1 values"),
        ("status", {}, "data must be an empty list. Received: nothing."),
    ],
)
def test_what_cannot_be_called_is_said_in_words(
    name: str, body: dict, said: str, http: httpx.Client
) -> None:
    assert said in refused(http, f"call/{name}", body)


def test_a_value_of_another_type_is_told_by_the_endpoint(http: httpx.Client) -> None:
    for body in ({"data": ["a", "b", "many"]}, {"data": ["a", "b", "many", *FULL[3:]]}):
        [told] = called(http, "complete", body)
        assert (told["event"], told["code"]) == ("error", "bad_input")
        assert "Received: 'many'" in told["message"]
    assert (
        "files must be a list"
        in called(http, "v2/complete", {"files": {"path": "x"}})[0]["message"]
    )


def test_so_it_is_by_the_number_of_the_event(http: httpx.Client) -> None:
    events = http.get("/config").json()["dependencies"]
    number = {each["api_name"]: each["id"] for each in events if each["api_name"]}
    for path in ("queue/join", "run/predict"):
        body = {"fn_index": number["complete"], "session_hash": "s", "data": [*FULL, 1]}
        assert "not at most 15" in refused(http, path, body)
    body = {"fn_index": number["complete"], "session_hash": "by-number", "data": ["echo", "x"]}
    assert http.post("/gradio_api/queue/join", json=body).status_code == 200
    with http.stream("GET", "/gradio_api/queue/data?session_hash=by-number") as stream:
        lines = (line.removeprefix("data: ") for line in stream.iter_lines() if line)
        last = next(each for each in map(json.loads, lines) if each["msg"] == "process_completed")
    assert last["success"]


def test_a_parameter_without_a_default_is_asked_for() -> None:
    given = (Parameter("prefix", True, None), Parameter("suffix", False, "x"))
    endpoints = Endpoints(inputs={}, public={"fill": given}, names={3: "fill"})
    assert endpoints.check(f"{CALL}fill", {"data": ["a"]})["data"] == ["a", "x"]
    by_number = {"fn_index": 3, "data": ["a"], "session_hash": "s"}
    assert endpoints.check("/gradio_api/queue/join", by_number)["data"] == ["a", "x"]
    with pytest.raises(Refused, match="values for prefix"):
        endpoints.check(f"{CALL}fill", {"data": []})


LONG = "x" * 101


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/call/complete", {"data": ["a"]}),
        ("/gradio_api/call/status", {"data": []}),
        ("/gradio_api/run/status", {"data": []}),
        ("/gradio_api/queue/join", {"data": [], "fn_index": 0}),
        ("/gradio_api/cancel", {"fn_index": 0, "event_id": "a"}),
    ],
)
@pytest.mark.parametrize("name", ["session_hash", "event_id"])
def test_a_session_or_an_event_has_no_long_name(
    path: str, body: dict[str, Any], name: str, http: httpx.Client
) -> None:
    told = http.post(path, json={**body, name: LONG})
    assert told.status_code == 422
    assert "at most 100 characters" in told.json()["detail"]


def test_what_is_no_text_is_short(http: httpx.Client) -> None:
    """Gradio quotes invalid choices in its errors, and stores the choices of a session."""
    config = http.get("/config").json()
    kinds = {each["id"]: each["type"] for each in config["components"]}
    tried = 0
    for event in config["dependencies"]:
        for at, control in enumerate(event["inputs"]):
            if not event["backend_fn"] or kinds[control] in ("textbox", "code", "api"):
                continue
            data: list[Any] = [None] * len(event["inputs"])
            for value in ("x" * 1001, ["x" * 1001], {"value": "x" * 1001}):
                data[at] = value
                body = {"data": data, "fn_index": event["id"], "session_hash": "s"}
                told = http.post("/gradio_api/queue/join", json=body)
                assert (told.status_code, told.json()["detail"]) == (
                    422,
                    "A value of data may have at most 1,000 characters.",
                )
                tried += 1
    assert tried > 50


def test_fields_that_no_page_sends_are_left_out() -> None:
    blocks = gr.Blocks()
    with blocks:
        text = gr.Textbox()
        text.change(lambda value: value, text, text, api_visibility="private")
    (number,) = blocks.fns
    body = {"data": ["a"], "fn_index": number, "session_hash": "s", "more": "x" * 5000}
    checked = Endpoints.of(blocks).check("/gradio_api/queue/join", body)
    assert checked == {"data": ["a"], "fn_index": number, "session_hash": "s"}
