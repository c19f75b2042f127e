"""Gradio's own client over HTTP: two endpoints, streamed dicts, and errors as the last dict."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import pytest
from gradio_client import Client

from codegemma_ui.ipc.messages import Completion
from tests.browser.playground import Scripted

KEYS = {"event", *Completion.__dataclass_fields__}


@pytest.fixture(scope="module")
def api(scripted_server: Scripted) -> Client:
    return Client(scripted_server.url, verbose=False)


def test_only_the_two_endpoints_are_listed(scripted: Scripted, api: Client) -> None:
    listed = api.view_api(return_format="dict")
    assert set(listed["named_endpoints"]) == {"/complete", "/status"}
    assert not listed["unnamed_endpoints"]


def test_a_completion_streams_dicts_with_all_of_its_keys(scripted: Scripted, api: Client) -> None:
    job = api.submit(prefix="import ", suffix="\n", max_length=64, api_name="/complete")
    job.result(timeout=30)
    updates = job.outputs()
    assert len(updates) >= 3
    assert all(set(update) == KEYS for update in updates)
    assert [updates[0]["event"], updates[-1]["event"]] == ["prompt", "done"]
    assert updates[0]["middle"] is None
    assert updates[-1]["program"] == "import " + scripted.client.middle + "\n"
    assert updates[-1]["stop_token"] == "<|file_separator|>"


def test_every_side_is_kept_byte_for_byte(scripted: Scripted, api: Client) -> None:
    prefix, suffix = "\n\tx = '한글 🦙'  \r\n", "  \r\n\n"
    done = api.submit(prefix=prefix, suffix=suffix, api_name="/complete").result(timeout=30)
    assert done["program"] == prefix + scripted.client.middle + suffix


def test_a_fast_model_still_gives_three_updates(scripted: Scripted, api: Client) -> None:
    scripted.client.middle, scripted.client.pause_s = "x", 0.0
    job = api.submit(api_name="/complete")
    job.result(timeout=30)
    assert len(job.outputs()) >= 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"max_length": 5}, "max_length must be a whole number from 32 to 512. Received: 5"),
        ({"max_length": "many"}, "Received: 'many'"),
        ({"prefix": 7}, "prefix must be a string. Received: int"),
        ({"layout": "mps"}, "layout must be one of psm, spm, ltr. Received: 'mps'"),
        ({"temperature": -1}, "temperature must be a number from 0 to 5"),
        ({"prefix": "x" * 200_001}, "at most 200,000 characters. Received: 200,001"),
    ],
)
def test_a_refusal_is_the_last_dict(
    arguments: dict, expected: str, scripted: Scripted, api: Client
) -> None:
    job = api.submit(**arguments, api_name="/complete")
    last = job.result(timeout=30)
    assert last["event"] == "error"
    assert last["code"] == "bad_input"
    assert expected in last["message"]


def test_the_status_answers_at_once_while_busy(scripted: Scripted, api: Client) -> None:
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 100
    job = api.submit(api_name="/complete")
    while not scripted.client.requests:
        time.sleep(0.01)
    scripted.client.be(state="busy")
    asked = time.monotonic()
    status = api.predict(api_name="/status")
    assert time.monotonic() - asked < 1
    assert (status["state"], status["preset"]) == ("busy", "bundled")
    job.cancel()


def test_too_many_requests_are_refused_as_a_dict(scripted: Scripted, api: Client) -> None:
    scripted.client.be_loading()
    waiting = [api.submit(api_name="/complete") for _ in range(4)]
    while len(scripted.client.requests) < 4:
        time.sleep(0.01)
    refused = api.submit(api_name="/complete").result(timeout=30)
    assert (refused["event"], refused["code"]) == ("error", "queue_full")
    scripted.client.be_ready()
    assert [job.result(timeout=30)["event"] for job in waiting] == ["done"] * 4


def test_cancelling_a_job_ends_its_request(scripted: Scripted, api: Client) -> None:
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 200
    job = api.submit(api_name="/complete")
    while not job.outputs():
        time.sleep(0.01)
    job.cancel()
    over = threading.Event()
    deadline = time.monotonic() + 10
    while scripted.client.ended < 1 and time.monotonic() < deadline:
        over.wait(0.05)
    assert scripted.client.ended == 1


@pytest.mark.parametrize("path", ["run/complete", "api/complete"])
def test_the_queue_cannot_be_passed(path: str, scripted: Scripted) -> None:
    request = urllib.request.Request(
        f"{scripted.url}gradio_api/{path}",
        json.dumps({"data": ["a", "b", 64, 0, 0, 1, None, "psm"]}).encode(),
        {"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=10)
    assert scripted.client.requests == []


def test_a_huge_body_is_refused(scripted: Scripted) -> None:
    request = urllib.request.Request(
        f"{scripted.url}gradio_api/queue/join",
        b'{"data": ["' + b"x" * (5 * 2**20) + b'"]}',
        {"Content-Type": "application/json"},
    )
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(request, timeout=10)
