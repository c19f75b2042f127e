"""Bodies that are too large or not plain JSON are rejected, with the reason."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from codegemma_ui import fim
from codegemma_ui.completions import recording
from codegemma_ui.server import bodies, serving
from tests.server.scripted_page import Page

JSON = {"content-type": "application/json"}
LIMIT_S = 0.5


def in_chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 2**16):
        yield body[start : start + 2**16]


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/call/complete", "/login"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_twenty_megabytes_are_refused_at_once(path: str, chunked: bool, http: httpx.Client) -> None:
    body = b'{"data":["' + b"x" * 20_000_000 + b'"]}'
    began_s = time.monotonic()
    answer = http.post(path, content=in_chunks(body) if chunked else body, headers=JSON)
    took_s = time.monotonic() - began_s
    assert answer.status_code == 413
    assert "may have at most" in answer.json()["detail"]
    assert took_s < LIMIT_S


def test_a_declared_length_is_enough_to_be_refused(page: Page) -> None:
    address = urlsplit(page.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(
            b"POST /gradio_api/queue/join HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: 99999999999999\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_the_largest_request_that_is_allowed_fits() -> None:
    assert 2 * 12 * fim.MAX_SIDE_CHARACTERS < bodies.MAX_BODY_BYTES - 2**16


@pytest.mark.parametrize(
    ("kind", "body", "status", "said"),
    [
        ("application/json", b"{", 422, "valid JSON"),
        ("application/json", b'{"data":[NaN]}', 422, "valid JSON"),
        ("application/json", b'{"data":["\\ud800"]}', 422, "half of a character"),
        ("application/json", b'{"data":["\xff"]}', 422, "valid JSON"),
        ("application/json", b"[]", 422, "must be an object. Received: list"),
        ("application/json", b'{"data":' + b"[" * 500 + b"]" * 500 + b"}", 422, "nest at most"),
        ("application/json", b'{"data":' + b"[" * 99999 + b"]" * 99999 + b"}", 422, "JSON"),
        ("application/json", b'{"data":[' + b'"",' * 999 + b'""]}', 422, "at most 200 values"),
        ("text/plain", b"{}", 415, "application/json"),
        ("multipart/form-data; boundary=x", b"--x--", 415, "application/json"),
    ],
)
def test_what_is_no_plain_object_is_refused(
    kind: str, body: bytes, status: int, said: str, http: httpx.Client
) -> None:
    answer = http.post("/gradio_api/call/complete", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def forced_by(path: str, ids: list[int], http: httpx.Client) -> httpx.Response:
    """Request a completion with forced token ids, through the given route."""
    values = {"prefix": "a", "suffix": "b", "max_length": 1024, "forced": ids}
    listed = ["a", "b", 1024, 0, 0, 1, None, "psm", "", None, ids]
    if path == "call/v2/complete":
        return http.post(f"/gradio_api/{path}", json=values)
    body: dict[str, object] = {"data": listed, "session_hash": uuid.uuid4().hex}
    if path == "queue/join":
        events = http.get("/config").json()["dependencies"]
        body["fn_index"] = next(each["id"] for each in events if each["api_name"] == "complete")
    return http.post(f"/gradio_api/{path}", json=body)


@pytest.mark.parametrize("path", ["call/complete", "call/v2/complete", "queue/join"])
def test_a_branch_far_into_a_long_middle_is_taken(path: str, http: httpx.Client) -> None:
    """As many token ids as the longest context are accepted; more are rejected, with the name of the
    field."""
    taken = forced_by(path, [9] * 1000, http)
    assert taken.status_code == 200
    if path != "queue/join":
        stream = http.get(f"/gradio_api/call/complete/{taken.json()['event_id']}").text
        assert '"event": "done"' in stream
    assert forced_by(path, [9] * 8192, http).status_code == 200
    refused = forced_by(path, [9] * (bodies.MAX_TOKEN_IDS + 1), http)
    assert refused.status_code == 422
    assert refused.json()["detail"] == (
        "forced may have at most 131,072 token ids. Received: 131,073."
    )


def test_the_loaded_model_says_how_many_token_ids_it_takes(http: httpx.Client) -> None:
    taken = forced_by("call/v2/complete", [9] * 8192, http)
    stream = http.get(f"/gradio_api/call/complete/{taken.json()['event_id']}").text
    said = "forced must be text or a list of at most 1,024 token ids. Received: 8,192 of them"
    assert said in stream


def test_as_many_token_ids_as_a_recording_may_have_fit() -> None:
    assert bodies.MAX_TOKEN_IDS == recording.LONGEST


def test_only_one_list_may_be_long_and_of_whole_numbers() -> None:
    kind = "application/json"
    assert bodies.parse_json(kind, b'{"forced":[' + b"1," * 8191 + b"1]}")
    for body in (
        b'{"forced":[' + b"1.5," * 200 + b"1]}",
        b'{"forced":[' + b"true," * 200 + b"1]}",
        b'{"data":[' + b"[1]," * 200 + b"[1]]}",
    ):
        with pytest.raises(
            bodies.Refused, match="at most 200 values, not counting the token ids of forced"
        ):
            bodies.parse_json(kind, body)
    with pytest.raises(bodies.Refused, match="prompt may have at most 131,072 token ids"):
        bodies.parse_json(kind, b'{"prompt":[' + b"1," * 131_072 + b"1]}", token_ids="prompt")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("queue/join", {"data": [], "fn_index": 999, "session_hash": "s"}, 404),
        ("queue/join", {"data": [], "fn_index": True, "session_hash": "s"}, 422),
        ("queue/join", {"data": [], "fn_index": 0}, 422),
        ("run/predict", {"data": [1] * 50, "fn_index": 0, "session_hash": "s"}, 422),
        ("run/predict", {"data": "x", "fn_index": 0, "session_hash": "s"}, 422),
        ("call/nothing", {"data": []}, 404),
        ("call/v2/complete", {"prefx": "a"}, 422),
    ],
)
def test_what_names_no_event_is_refused(
    path: str, body: dict, status: int, http: httpx.Client
) -> None:
    assert http.post(f"/gradio_api/{path}", json=body).status_code == status


def test_a_body_that_never_comes_holds_nobody_else_up(page: Page, http: httpx.Client) -> None:
    address = urlsplit(page.url)
    head = (
        b"POST /gradio_api/queue/join HTTP/1.1\r\nhost: localhost\r\n"
        b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
    )
    slow = [socket.create_connection((address.hostname, address.port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(head)
        began_s = time.monotonic()
        assert http.get("/healthz").status_code == 200
        assert time.monotonic() - began_s < LIMIT_S
    finally:
        for connection in slow:
            connection.close()


def test_made_up_sessions_do_not_fill_the_memory(page: Page, http: httpx.Client) -> None:
    """Gradio keeps a state for every session name; without a limit, 10,000 of 0.1 MB each."""

    def memory_mb() -> float:
        status = Path(f"/proc/{page.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    events = http.get("/config").json()["dependencies"]
    number = next(each["id"] for each in events if not each["inputs"])

    def name(count: int) -> None:
        for _ in range(count):
            body = {"data": [], "fn_index": number, "session_hash": uuid.uuid4().hex}
            assert http.post("/gradio_api/run/predict", json=body).status_code == 200

    name(serving.MAX_SESSIONS + 50)
    before = memory_mb()
    name(500)
    assert memory_mb() - before < 10
