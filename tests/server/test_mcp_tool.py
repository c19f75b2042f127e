"""The MCP tool, called by MCP's own client over loopback."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from mcp.types import CallToolResult

from tests.server.mcp_client import KEY, PATH, call, session, text_of
from tests.server.scripted_page import CANARY, ROOT, Page, serving, wait_until

WAITING = 2


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    environ: dict[str, Any] = {"CODEGEMMA_UI_API_KEY": KEY, "CODEGEMMA_UI_AUTH": "ann:a-password"}
    flags = ("--mcp", "--no-api", "--log-level", "debug", "--queue-size", str(WAITING))
    with serving(*flags, **environ) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


def test_there_is_one_tool_and_its_parameters_are_described(page: Page) -> None:
    async def tools() -> list:
        async with session(page) as asking:
            return (await asking.list_tools()).tools

    [tool] = asyncio.run(tools())
    assert tool.name == "complete"
    assert "between a prefix and a suffix" in (tool.description or "")
    assert tool.inputSchema["required"] == ["prefix"]
    properties = tool.inputSchema["properties"]
    assert set(properties) == {"prefix", "suffix", "max_length", "temperature", "seed", "path"}
    assert all(each["description"] for each in properties.values())
    assert properties["max_length"]["default"] == 128


def test_it_completes(page: Page) -> None:
    answer = asyncio.run(call(page, {"prefix": "echo", "suffix": "\t한 {}"}))
    assert not answer.isError
    assert json.loads(text_of(answer)) == {
        "middle": "\t한 {}",
        "stop_reason": "max_length",
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "model": "bundled",
    }


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("complete", {"prefix": "x", "max_length": 3}, "max_length must be a whole number from 32"),
        ("complete", {"suffix": "x"}, "'prefix' is a required property"),
        ("complete", {"prefix": {"path": "/etc/passwd"}}, "is not of type 'string'"),
        ("status", {}, "Unknown tool"),
    ],
)
def test_what_is_wrong_is_said(name: str, arguments: dict, said: str, page: Page) -> None:
    answer = asyncio.run(call(page, arguments, name))
    assert answer.isError
    assert said in text_of(answer)


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a foreign server, and the requests that it received."""
    heard: list[str] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", heard
        server.shutdown()


ASKED = {
    "resources/read": {"uri": "complete://x"},
    "prompts/get": {"name": "complete", "arguments": {"prefix": "x"}},
    "resources/list": {},
    "prompts/list": {},
    "tools/call": {"name": "complete", "arguments": {"prefix": "echo", "suffix": "y"}},
    "tools/list": {},
    "ping": {},
}


@pytest.mark.parametrize("method", ASKED)
def test_no_header_of_a_caller_decides_whom_the_server_asks(
    page: Page, stranger: tuple[str, list[str]], method: str
) -> None:
    address, heard = stranger
    headers = {
        "authorization": f"Bearer {KEY}",
        "accept": "application/json, text/event-stream",
        "x-gradio-server": f"http://{address}/",
        "x-forwarded-host": address,
    }
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": ASKED[method]}
    answer = httpx.post(page.url + PATH, json=message, headers=headers, timeout=20)
    assert heard == []
    if method.startswith(("resources", "prompts")):
        error = {"code": -32601, "message": "This server has only tools."}
        assert answer.json() == {"jsonrpc": "2.0", "id": 7, "error": error}
    else:
        assert "result" in answer.text


def test_a_caller_who_leaves_frees_the_engine(page: Page) -> None:
    arguments = {"name": "complete", "arguments": {"prefix": "slow 0.02"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments}
    headers = {"authorization": f"Bearer {KEY}", "accept": "application/json, text/event-stream"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(page.url + PATH, json=message, headers=headers, timeout=0.5)
    wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready", 5)


def test_a_crowd_is_told(page: Page) -> None:
    async def crowd() -> list[CallToolResult]:
        async with session(page) as asking:
            arguments = {"prefix": "slow 0.001", "suffix": "a"}
            calls = [asking.call_tool("complete", arguments) for _ in range(8)]
            return await asyncio.gather(*calls)

    answers = asyncio.run(crowd())
    refused = [text_of(each) for each in answers if each.isError]
    assert len(refused) == 8 - (WAITING + 1)
    assert all("requests may wait" in each and "Try again" in each for each in refused)


def test_only_its_one_address_is_open_and_only_with_the_key(page: Page) -> None:
    key = {"authorization": f"Bearer {KEY}"}
    foreign = {**key, "origin": "https://evil.example"}
    for method, path, headers, status in (
        ("POST", PATH, {}, 401),
        ("POST", PATH, {"authorization": "Bearer wrong"}, 401),
        ("POST", PATH, foreign, 403),
        ("POST", PATH, {**key, "host": "evil.example"}, 400),
        ("POST", PATH, {**key, "content-type": "text/plain"}, 415),
        ("GET", PATH, key, 405),
        ("DELETE", PATH, key, 405),
        ("GET", f"{PATH}sse", key, 404),
        ("GET", f"{PATH}schema", key, 404),
        ("POST", f"{PATH}messages/", key, 404),
        ("POST", f"{PATH}http/", key, 404),
        ("POST", "/gradio_api/call/complete", key, 404),
    ):
        answer = httpx.request(method, page.url + path, headers=headers)
        assert answer.status_code == status, (method, path, headers)
    long = httpx.post(page.url + PATH, content=b"x" * 6_000_000, headers=key)
    assert long.status_code == 413


def test_the_log_has_nobodys_text(page: Page) -> None:
    before = len(page.log())
    asyncio.run(call(page, {"prefix": CANARY}))
    asyncio.run(call(page, {"prefix": CANARY, CANARY: CANARY, "max_length": 1}))
    asyncio.run(call(page, {}, CANARY))
    headers = {"authorization": f"Bearer {KEY}", "accept": "application/json, text/event-stream"}
    for method in (CANARY, "notifications/progress", "tools/call"):
        message = {"jsonrpc": "2.0", "method": method, "params": {CANARY: CANARY}}
        for each in (message, {**message, "id": CANARY}):
            httpx.post(page.url + PATH, json=each, headers=headers)
    lines = [json.loads(line) for line in page.log()[before:].splitlines()]
    assert CANARY not in json.dumps(lines)
    assert "completion" in {line["message"] for line in lines}


def test_without_the_package_it_says_what_to_install() -> None:
    hidden = (
        "import sys; sys.modules['mcp'] = None; from codegemma_ui.commands.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden, "--mcp", "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert 'pip install -e ".[mcp]"' in done.stderr
    assert "Traceback" not in done.stderr
