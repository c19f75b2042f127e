"""Long bodies share a memory limit, and a slow or abandoned one does not block others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Message

from codegemma_ui.server import bodies
from codegemma_ui.server.bodies import LongBodies, Refused
from tests.server.scripted_page import Page, serving

MIB = 2**20


class Sender:
    """A client that sends when the test says so."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[Message] = asyncio.Queue()

    def send(self, size: int, *, more: bool = False) -> None:
        self._parts.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})

    async def receive(self) -> Message:
        return await self._parts.get()


async def whole(all_of_them: LongBodies, size: int) -> int:
    """Send a whole body at once; return how many bytes arrived."""
    sender = Sender()
    sender.send(size)
    async with all_of_them.body(sender.receive) as body:
        return len((await body.receive())["body"])


def test_one_that_comes_slowly_keeps_nobody_waiting() -> None:
    async def run() -> None:
        every = LongBodies(6 * MIB, 16 * MIB)
        slow = [Sender() for _ in range(20)]
        async with asyncio.TaskGroup() as tasks:
            for sender in slow:
                sender.send(1, more=True)
                tasks.create_task(every.body(sender.receive).receive())
            await asyncio.sleep(0)
            async with asyncio.timeout(1):
                assert await whole(every, 5 * MIB) == 5 * MIB
            for sender in slow:
                sender.send(1)

    asyncio.run(run())


def test_where_too_much_is_coming_the_one_that_began_first_is_refused() -> None:
    async def run() -> None:
        every = LongBodies(6 * MIB, 8 * MIB)
        slow = Sender()
        slow.send(4 * MIB, more=True)
        first = asyncio.create_task(every.body(slow.receive).receive())
        await asyncio.sleep(0)
        assert await whole(every, 5 * MIB) == 5 * MIB
        with pytest.raises(Refused) as refused:
            await first
        assert refused.value.status == 503

    asyncio.run(run())


def test_many_short_ones_that_come_slowly_refuse_the_first_too() -> None:
    async def run() -> None:
        every = LongBodies(6 * MIB, 1 * MIB)
        async with asyncio.TaskGroup() as tasks:
            slow = [Sender() for _ in range(17)]
            coming = []
            for sender in slow:
                sender.send(bodies.SHORT_BYTES, more=True)
                coming.append(tasks.create_task(outcome(every, sender)))
                await asyncio.sleep(0)
            for sender in slow:
                sender.send(0)
        assert [one.result() for one in coming] == [503, *[bodies.SHORT_BYTES] * 16]

    asyncio.run(run())


async def outcome(every: LongBodies, sender: Sender) -> int:
    """Return how many bytes arrived, or the status of the rejection."""
    async with every.body(sender.receive) as body:
        try:
            return len((await body.receive())["body"])
        except Refused as refused:
            return refused.status


def test_what_is_handled_waits_for_room_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WAIT_S", 0.2)

    async def run() -> None:
        every = LongBodies(6 * MIB, 16 * MIB)
        sender = Sender()
        sender.send(4 * MIB)
        async with every.body(sender.receive) as body:
            await body.receive()
            assert await whole(every, 1 * MIB) == 1 * MIB
            with pytest.raises(Refused) as refused:
                await whole(every, 4 * MIB)
            assert refused.value.status == 503
        assert await whole(every, 4 * MIB) == 4 * MIB

    asyncio.run(run())


def begin(page: Page, head: str) -> socket.socket:
    """Send the head of a request, and one byte of its body."""
    address = urlsplit(page.url)
    one = socket.create_connection((address.hostname, address.port), timeout=5)
    one.sendall(f"POST {head}\r\nhost: localhost\r\n".encode())
    return one


def test_slow_bodies_of_strangers_keep_no_long_request_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEGEMMA_UI_AUTH", "person:the password")
    with serving() as page, contextlib.ExitStack() as stack:
        for path in ("/login", "/gradio_api/queue/join"):
            for _ in range(3):
                one = stack.enter_context(begin(page, f"{path} HTTP/1.1"))
                one.sendall(b"content-type: application/json\r\ncontent-length: 60000\r\n\r\nx")
        with httpx.Client(base_url=page.url, timeout=8, trust_env=False) as http:
            http.post("/login", data={"username": "person", "password": "the password"})
            asked = {"data": ["x" * 190_000, "y" * 190_000]}
            answer = http.post("/gradio_api/call/complete", json=asked)
        assert answer.status_code == 200
