"""Under overload the gate responds with 503 itself; a few a second pass to get a notice; all else passes."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr

from codegemma_ui.client.client import EngineClient
from codegemma_ui.client.queue import QueueFull, RequestQueue
from codegemma_ui.ipc.messages import ErrorEvent
from codegemma_ui.ui.overload import BODY, GENTLE, OverloadMiddleware

JOIN = "/gradio_api/queue/join"


BLOCKS = cast(
    gr.Blocks,
    SimpleNamespace(fns={1: SimpleNamespace(queue=True), 2: SimpleNamespace(queue=False)}),
)


class Counting:
    """The part of a client that the middleware needs, with a queue that no request joins."""

    def __init__(self, most_waiting: int) -> None:
        self._queue = RequestQueue(most_waiting)
        self.submitted = 0

    def refusal(self, expected: int = 0) -> ErrorEvent | None:
        try:
            self._queue.check_room(expected)
        except QueueFull as error:
            return ErrorEvent.of(error)
        return None


class Entrance:
    """A gate before an app that records the bodies it gets; no request that passes ever begins."""

    def __init__(self, most_waiting: int) -> None:
        self.client = Counting(most_waiting)
        self.gate = OverloadMiddleware(self._app, BLOCKS, cast(EngineClient, self.client))
        self.bodies: list[bytes] = []
        self.status = 200

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def post(self, path: str, *pieces: bytes) -> tuple[int, bytes]:
        sent: list[Any] = []
        messages = [
            {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]}
            for piece in pieces
        ]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        parsed = json.loads(b"".join(pieces)) if path == JOIN else {}
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [],
            BODY: parsed,
        }
        asyncio.run(self.gate(scope, receive, send))
        return sent[0]["status"], sent[1]["body"]


def test_what_has_room_goes_in_whole() -> None:
    entrance = Entrance(most_waiting=3)
    assert entrance.post(JOIN, b'{"data": ["x"], ', b'"fn_index": 1}')[0] == 200
    assert entrance.bodies == [b'{"data": ["x"], "fn_index": 1}']


def test_a_flood_is_answered_at_the_gate_in_words() -> None:
    entrance = Entrance(most_waiting=3)
    answers = [entrance.post(JOIN, b'{"fn_index": 1}') for _ in range(20)]
    assert [status for status, _ in answers].count(200) == 4 + GENTLE
    refusal = json.loads(answers[-1][1])
    assert answers[-1][0] == 503
    assert refusal["code"] == "queue_full"
    assert "Try again in a moment" in refusal["detail"]


def test_the_api_has_the_same_gate() -> None:
    entrance = Entrance(most_waiting=0)
    statuses = [entrance.post("/gradio_api/call/complete", b"{}")[0] for _ in range(10)]
    assert statuses.count(200) == 1 + GENTLE


def test_other_events_pass() -> None:
    entrance = Entrance(most_waiting=0)
    for body in ({"fn_index": 2}, {"fn_index": 99}, {"fn_index": "1"}, {}):
        statuses = [entrance.post(JOIN, json.dumps(body).encode())[0] for _ in range(10)]
        assert statuses == [200] * 10


def test_who_has_begun_is_no_longer_on_the_way() -> None:
    entrance = Entrance(most_waiting=0)
    for _ in range(5):
        assert entrance.post(JOIN, b'{"fn_index": 1}')[0] == 200
        entrance.client.submitted += 1


def test_what_is_rejected_takes_nobodys_place() -> None:
    entrance = Entrance(most_waiting=0)
    entrance.status = 422
    assert [entrance.post("/gradio_api/call/complete", b"{}")[0] for _ in range(26)] == [422] * 26
    entrance.status = 200
    statuses = [entrance.post("/gradio_api/call/complete", b"{}")[0] for _ in range(10)]
    assert statuses.count(200) == 1 + GENTLE
