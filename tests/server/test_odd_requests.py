"""Bytes that no browser sends, in a query or a header, are accepted or rejected: none causes a server
error."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from codegemma_ui.server.hosts import hostname
from tests.server.scripted_page import Page, serving, wait_until

READ = (
    *(
        "/",
        "/config",
        "/static/img/logo.svg",
        "/assets/x",
        "/svelte/x",
        "/theme.css",
        "/favicon.ico",
    ),
    *("/robots.txt", "/manifest.json", "/logout", "/healthz", "/metrics", "/health", "/v1/models"),
    *(
        f"/gradio_api/{name}"
        for name in ("startup-events", "app_id", "user", "login_check", "info")
    ),
    *(f"/gradio_api/{name}" for name in ("queue/status", "queue/data", "heartbeat/a", "theme.css")),
    *("/gradio_api/openapi.json", "/gradio_api/call/complete/a", "/gradio_api/call/v2/complete/a"),
)

SEND = {
    "/gradio_api/queue/join": b'{"data":[],"fn_index":0,"session_hash":"s"}',
    "/gradio_api/run/status": b'{"data":[]}',
    "/gradio_api/call/status": b'{"data":[],"session_hash":"s"}',
    "/gradio_api/call/v2/status": b"{}",
    "/gradio_api/cancel": b'{"session_hash":"s","fn_index":0,"event_id":"a"}',
    "/gradio_api/reset": b'{"event_id":"a"}',
    "/login": b"username=%ff&password=%00",
    "/v1/completions": b'{"prompt":"x","max_tokens":1}',
    "/infill": b'{"input_prefix":"x","input_suffix":"y"}',
    "/gradio_api/mcp": b"{}",
}

QUERIES = (
    *(b"%00", b"%ff=%ff", b"\xff=\xe9", b"%", b"lang=%ED%A0%80", b"session_hash=%ED%A0%80"),
    *(b"session_hash=%ff", b"page=%ff", b"p%61ge=x", b"deep%5Flink=x", b"p%61ge=%00&page=x"),
)

HEADERS = (
    *(b"Cookie", b"Accept-Language", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-For"),
    *(b"X-Gradio-Server", b"Authorization", b"Origin", b"Referer", b"Content-Type", b"Range"),
)

ANSWERED = tuple(b"HTTP/1.1 %d" % hundreds for hundreds in (2, 3, 4))

VALUES = (b"\xff", b"access-token-a=\xe9", b"\xc2\xb2", b"[", b"[v1.x]", b"999.1.1.1", b"a:\xff")


@pytest.fixture(scope="module")
def anywhere() -> Iterator[Page]:
    """Serve a page that accepts any host name, so that no request is rejected before it is parsed."""
    with serving("--allowed-host", "*", "--openai-api", "--mcp", "--metrics") as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


def answer(page: Page, method: bytes, path: str, query: bytes = b"", *lines: bytes) -> bytes:
    """Send a request unchanged; return the beginning of the response."""
    address = urlsplit(page.url)
    named = {line.partition(b":")[0].lower() for line in lines}
    body = SEND.get(path, b"") if method == b"POST" else b""
    kind = b"x-www-form-urlencoded" if path == "/login" else b"json"
    head = [method + b" " + path.encode() + (b"?" + query if query else b"") + b" HTTP/1.1", *lines]
    if b"host" not in named:
        head.append(b"Host: localhost")
    if b"content-type" not in named:
        head.append(b"Content-Type: application/" + kind)
    head += [b"Content-Length: %d" % len(body), b"Connection: close"]
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
        received = connection.recv(4096)
        while b"host" in named and (further := connection.recv(4096)):  # that one ends
            received += further
        return received


def doors() -> list[tuple[bytes, str]]:
    return [*((b"GET", path) for path in READ), *((b"POST", path) for path in SEND)]


def test_an_odd_query_is_no_server_error(anywhere: Page) -> None:
    failed = [
        (method, path, query)
        for method, path in doors()
        for query in QUERIES
        if not answer(anywhere, method, path, query).startswith(
            (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")
        )
    ]
    assert failed == []


def test_an_odd_header_is_no_server_error(anywhere: Page) -> None:
    failed = [
        (method, path, line)
        for method, path in doors()
        for line in (name + b": " + value for name in HEADERS for value in VALUES)
        if not answer(anywhere, method, path, b"", line).startswith(
            (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")
        )
    ]
    assert failed == []
    assert "InvalidURL" not in anywhere.log()  # and no response broke off


def test_a_name_that_is_none_is_refused_in_a_sentence(anywhere: Page) -> None:
    for name in (b"\xff", b"\xc2\xb2", b"[v1.x]", b"999.1.1.1", b"a b", b"a/b"):
        refused = answer(anywhere, b"GET", "/", b"", b"Host: " + name)
        assert refused.startswith(b"HTTP/1.1 400"), name
        assert b"This host is not served here" in refused


@pytest.mark.parametrize(
    "host", ["\xb2", "\xed\x95\x9c", "[v1.x]", "[1.2.3.4]", "999.1.1.1", "a%62"]
)
def test_what_no_name_service_knows_is_no_host(host: str) -> None:
    assert hostname(host) is None


@pytest.mark.parametrize(
    "host", ["a_b.example", "xn--3e0b707e.example", "1.2.3.4", "[::1]", "8.example"]
)
def test_what_a_browser_sends_is_a_host(host: str) -> None:
    assert hostname(f"{host}:80") == host.strip("[]")


def test_a_surrogate_in_a_session_name_is_refused_in_a_sentence(anywhere: Page) -> None:
    body = b'{"data":[],"fn_index":0,"session_hash":"\\ud800"}'
    refused = httpx.post(
        f"{anywhere.url}/gradio_api/queue/join",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert refused.status_code == 422
    assert "half of a character" in json.loads(refused.content)["detail"]
