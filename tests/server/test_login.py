"""A private playground: without a login only its form is served, and nothing else of the page or of
Gradio."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from codegemma_ui.server.allowlist import _API, _PAGE
from tests.server.scripted_page import Page, serving, wait_until

PAIR = {"username": "ann", "password": "hush-hush-hush"}

NEEDED = (
    *("/", "/static/img/logo.svg", "/assets/a", "/svelte/a", "/theme.css", "/gradio_api/theme.css"),
    *("/favicon.ico", "/robots.txt", "/manifest.json", "/gradio_api/app_id"),
    "/gradio_api/startup-events",
)

BODIES = {
    "/gradio_api/queue/join": {"data": [], "fn_index": 0, "session_hash": "s"},
    "/gradio_api/run/status": {"data": []},
    "/gradio_api/call/status": {"data": []},
    "/gradio_api/call/v2/status": {},
    "/gradio_api/cancel": {"session_hash": "s", "fn_index": 0, "event_id": "a"},
    "/gradio_api/reset": {"event_id": "a"},
    "/logout": {},
}

CLOSED = (
    *("/config", "/config/", "/gradio_api/heartbeat/a", "/gradio_api/queue/data?session_hash=a"),
    *(f"/gradio_api/{name}" for name in ("user", "login_check", "queue/status", "info")),
    *("/gradio_api/openapi.json", "/gradio_api/call/status/a", "/gradio_api/call/v2/status/a"),
)


@pytest.fixture(scope="module")
def private() -> Iterator[Page]:
    with serving(CODEGEMMA_UI_AUTH=":".join(PAIR.values())) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


def test_every_door_is_tried_here() -> None:
    """A route added later must be listed here, with or without a login."""
    tried = [urlsplit(path).path for path in (*NEEDED, *CLOSED, *BODIES, "/login")]
    for _, door in (*_PAGE, *_API):
        assert any(re.fullmatch(door, path) for path in tried), door


def test_the_form_has_what_it_needs(private: Page) -> None:
    for path in NEEDED:
        assert httpx.get(private.url + path).status_code in (200, 404), path
    assert httpx.post(f"{private.url}/login", data={**PAIR, "password": "x"}).status_code == 400


@pytest.mark.parametrize("query", ["", "?all_endpoints=true", "?page=x", "?view=api"])
def test_the_form_tells_nothing_of_what_is_behind_it(private: Page, query: str) -> None:
    with httpx.Client(base_url=private.url) as http:
        for known in (False, True):
            told = http.get(f"/{query}").text
            words = ("stop_on_repetition", "/complete", "max_length", "bundled", 'dependencies":[{')
            assert [word for word in words if word in told] == (list(words) if known else [])
            http.post("/login", data=PAIR)


def test_nothing_else_answers_without_the_login(private: Page) -> None:
    outside = [
        *(httpx.get(private.url + path) for path in CLOSED),
        *(httpx.post(private.url + path, json=body) for path, body in BODIES.items()),
    ]
    assert {answer.status_code for answer in outside} == {401}
    assert {answer.json()["detail"] for answer in outside} == {"Not authenticated."}


def test_a_made_up_cookie_is_no_login(private: Page) -> None:
    with httpx.Client(base_url=private.url) as http:
        http.post("/login", data=PAIR)
        names = list(http.cookies)
    for value in ("", "x", "None"):
        header = {"cookie": "; ".join(f"{name}={value}" for name in names)}
        assert httpx.get(f"{private.url}/config", headers=header).status_code == 401


def test_with_the_login_everything_answers(private: Page) -> None:
    with httpx.Client(base_url=private.url) as http:
        assert http.post("/login", data=PAIR).status_code == 200
        for path in ("/config", "/gradio_api/info", "/gradio_api/user"):
            assert http.get(path).status_code == 200
        assert http.post("/gradio_api/cancel", json=BODIES["/gradio_api/cancel"]).is_success
        with http.stream("GET", "/gradio_api/heartbeat/a") as alive:
            assert alive.status_code == 200


def test_a_body_that_is_still_sent_hears_that_there_is_no_login(private: Page) -> None:
    address = urlsplit(private.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 401")
        connection.sendall(b" " * 4_000_000)
