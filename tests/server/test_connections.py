"""Idle connections: each has a time limit, and many of them block no one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from codegemma_ui.server import connections
from codegemma_ui.server.connections import Connection
from tests.server.scripted_page import serving, wait_until

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def app(scope, receive, send) -> None:
    """Respond at once, or after a second."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


@contextlib.contextmanager
def listening(most: int) -> Iterator[int]:
    """Run a server with a limit on connections; yield its port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        kind = type("Few", (Connection,), {"most": most})
        server = uvicorn.Server(uvicorn.Config(app, http=kind, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        wait_until(lambda: server.started)
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def connect(port: int, said: bytes = b"") -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=3)
    if said:
        one.sendall(said)
    return one


def is_closed_within(one: socket.socket, seconds: float) -> bool:
    one.settimeout(seconds)
    try:
        while one.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("said", [b"", HEAD], ids=["nothing", "half a head"])
@pytest.mark.parametrize("after_an_answer", [False, True])
def test_one_that_sends_no_whole_head_is_closed(
    said: bytes, after_an_answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.4)
    with listening(100) as port, connect(port) as one:
        if after_an_answer:
            one.sendall(HEAD + b"\r\n")
            assert one.recv(4096)
        one.sendall(said)
        allowed = 6 if after_an_answer and not said else 2  # uvicorn's, between two requests
        assert is_closed_within(one, allowed)


def test_one_whose_answer_takes_longer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with listening(100) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/slow").text == "here"


def test_too_many_make_room_for_a_new_one() -> None:
    with listening(10) as port, contextlib.ExitStack() as stack:
        first = stack.enter_context(connect(port))
        others = [stack.enter_context(connect(port)) for _ in range(9)]
        time.sleep(0.2)
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "here"
        assert is_closed_within(first, 1)
        assert not is_closed_within(others[-1], 0.1)


def test_who_is_being_answered_stays_where_there_are_too_many() -> None:
    with listening(3) as port, contextlib.ExitStack() as stack:
        slow = HEAD.replace(b"/healthz", b"/slow") + b"\r\n"
        working = [stack.enter_context(connect(port, slow)) for _ in range(3)]
        time.sleep(0.2)
        late = stack.enter_context(connect(port))
        assert is_closed_within(late, 0.5)
        assert all(b"200" in one.recv(4096) for one in working)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit, as Linux has it")
def test_260_silent_ones_at_256_open_files_keep_nobody_out() -> None:
    with serving(within=["prlimit", "--nofile=256:256"]) as page, contextlib.ExitStack() as stack:
        port = int(page.url.rpartition(":")[2])
        for _ in range(260):
            stack.enter_context(connect(port))
        for _ in range(5):
            assert httpx.get(f"{page.url}/", timeout=5).status_code == 200
        called = httpx.post(f"{page.url}/gradio_api/run/status", json={"data": []}, timeout=5)
        assert called.json()["data"][0]["state"] in ("ready", "loading", "warming", "starting")
        assert "Too many open files" not in page.log()


def test_requests_whose_bodies_never_come_make_room_for_a_new_one() -> None:
    sent = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\nx"
    with listening(10) as port, contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(connect(port, sent.replace(b"/ ", b"/read "))) for _ in range(10)
        ]
        time.sleep(0.2)
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "here"
        assert is_closed_within(slow[0], 1)
        assert not is_closed_within(slow[-1], 0.1)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit, as Linux has it")
def test_as_many_open_files_are_asked_for_as_the_system_allows() -> None:
    with serving(within=["prlimit", "--nofile=256:3000"]) as page:
        limits = Path(f"/proc/{page.process.pid}/limits").read_text()
        (line,) = [one for one in limits.splitlines() if one.startswith("Max open files")]
        assert line.split()[3] == "3000"
