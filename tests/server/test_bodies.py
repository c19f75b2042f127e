"""What is too large or no plain JSON goes no further, and its sender hears why."""

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
        ("application/json", b'{"data":[' + b"1," * 999 + b"1]}", 422, "at most 200 values"),
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
    """Gradio keeps a state for every session that is named; without a bound, 0.1 MB each, 10,000 of them."""

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
