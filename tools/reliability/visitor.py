"""A visitor's page without a browser: a client of Gradio's page protocol (6.31) that measures times.

An update of a page is a list, one value for each output; all but the first of a stream come as differences
from the one before.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from gradio_client.utils import apply_diff

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import Vocabulary

API = "gradio_api/"
TIMEOUT = httpx.Timeout(60.0)


class Refused(Exception):
    """The server refused the request.

    Args:
        status: HTTP status.
        detail: its message.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


@dataclass
class View:
    """The right half of the page at one moment.

    Attributes:
        idle: whether Complete can be pressed.
        outcome: the notice of an error, HTML.
        at: `time.monotonic()` when it was seen.
    """

    middle: str = ""
    caption: str = ""
    outcome: str = ""
    idle: bool = False
    at: float = field(default_factory=time.monotonic)


def connect(url: str) -> httpx.AsyncClient:
    """Return a client of a playground without a limit on connections."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits)


class Visitor:
    """One open page.

    Args:
        http: from `connect`.
        config: from `open_page`.
    """

    def __init__(self, http: httpx.AsyncClient, config: dict[str, Any]) -> None:
        self._http = http
        self.session = uuid.uuid4().hex
        self._controls = {
            one["props"]["elem_id"]: one
            for one in config["components"]
            if one["props"].get("elem_id")
        }
        self._by_id = {one["id"]: one for one in config["components"]}
        self._events = {
            (target[0], target[1]): one
            for one in config["dependencies"]
            for target in one["targets"]
        }
        self._shown: dict[int, Any] = {}

    # The page

    async def complete(
        self, prefix: str, suffix: str = "", listens: bool = True, **more: Any
    ) -> AsyncIterator[View]:
        """Press Complete and watch.

        Args:
            listens: False sends the request and leaves.
            more: values of controls by `elem_id`, underscores for dashes.

        Raises:
            Refused: the server refused the request.
        """
        event = self._event("complete", "click")
        values = {"before": prefix, "after": suffix} | {
            name.replace("_", "-"): value for name, value in more.items()
        }
        joined = await self._post("queue/join", event, self._inputs(event, values))
        if listens:
            async with aclosing(self._watch(event, joined["event_id"])) as views:
                async for view in views:
                    yield view

    async def branch(self, asked: str) -> AsyncIterator[View]:
        """Request a branch, as the page's scripts do, and watch."""
        event = self._event("branch-ask", "change")
        joined = await self._post("queue/join", event, self._inputs(event, {"branch-ask": asked}))
        async with aclosing(self._watch(event, joined["event_id"])) as views:
            async for view in views:
                yield view

    async def _watch(self, event: dict[str, Any], event_id: str) -> AsyncGenerator[View]:
        """Yield what one event shows; the stream also has the rest of earlier ones of this session."""
        view, shown = View(), None
        async with aclosing(self._messages()) as messages:
            async for message in messages:
                if message["msg"] not in ("process_generating", "process_completed"):
                    continue
                if message.get("event_id") != event_id:
                    continue
                data = message["output"].get("data")
                if data is None:
                    raise RuntimeError(str(message["output"]))
                if message["msg"] == "process_completed" or shown is None:
                    shown = data
                else:
                    shown = [
                        apply_diff(before, diff) for before, diff in zip(shown, data, strict=True)
                    ]
                view = self._view(event, shown, view)
                yield view
                if message["msg"] == "process_completed":
                    return

    async def stop(self) -> None:
        """Press Stop."""
        await self._run("stop", "click")

    async def choose(self, name: str, value: str) -> str:
        """Choose from "model", "backend" or "precision"; return the page's response, HTML."""
        data = await self._run(name, "select", **{name: value})
        return data[0] if isinstance(data[0], str) else ""

    async def cancel_switch(self) -> str:
        """Press the button that cancels a switch; return the page's response, HTML."""
        return str((await self._run("cancel-switch", "click"))[0])

    async def reload(self) -> None:
        """Send the requests of opening the page: the page, its settings, its first events."""
        (await self._http.get("/")).raise_for_status()
        (await self._http.get("config")).raise_for_status()
        for event in self._events.values():
            if any(target[1] == "load" for target in event["targets"]):
                await self._post("run/predict", event, self._inputs(event, {}))

    async def _run(self, name: str, kind: str, **values: Any) -> list[Any]:
        event = self._event(name, kind)
        answer = await self._post("run/predict", event, self._inputs(event, values))
        data: list[Any] = answer["data"]
        return data

    def _event(self, name: str, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = self._events[self._controls[name]["id"], kind]
        return found

    def _inputs(self, event: dict[str, Any], values: dict[str, Any]) -> list[Any]:
        given = []
        for each in event["inputs"]:
            props = self._by_id[each]["props"]
            given.append(values.get(props.get("elem_id"), props.get("value")))
        return given

    def _view(self, event: dict[str, Any], data: list[Any], before: View) -> View:
        by_name = {
            self._by_id[each]["props"].get("elem_id"): value
            for each, value in zip(event["outputs"], data, strict=True)
        }

        def text(name: str, kept: str) -> str:
            value = by_name[name]
            return kept if isinstance(value, dict) else str(value or "")

        button = by_name["complete"]
        idle = button.get("interactive", before.idle) if isinstance(button, dict) else before.idle
        return View(
            text("middle", before.middle),
            text("caption", before.caption),
            text("outcome", before.outcome),
            bool(idle),
        )

    # The connection

    async def _post(self, path: str, event: dict[str, Any], data: list[Any]) -> dict[str, Any]:
        body = {"data": data, "fn_index": event["id"], "session_hash": self.session}
        answer = await self._http.post(API + path, json=body)
        if answer.status_code != 200:
            raise Refused(answer.status_code, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    async def _messages(self) -> AsyncGenerator[dict[str, Any]]:
        params = {"session_hash": self.session}
        async with self._http.stream("GET", f"{API}queue/data", params=params) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))


async def open_page(http: httpx.AsyncClient) -> dict[str, Any]:
    """Return the page's configuration, from which any number of visitors can be created."""
    found: dict[str, Any] = (await http.get("config")).raise_for_status().json()
    return found


async def call_api(
    http: httpx.AsyncClient, prefix: str, suffix: str = "", max_length: int = 128, **more: Any
) -> AsyncIterator[dict[str, Any]]:
    """Call `/complete` as a script does, and yield the dicts of its stream."""
    asked = {"prefix": prefix, "suffix": suffix, "max_length": max_length, **more}
    answer = await http.post(f"{API}call/v2/complete", json=asked)
    if answer.status_code != 200:
        raise Refused(answer.status_code, answer.text)
    path = f"{API}call/complete/{answer.json()['event_id']}"
    async with http.stream("GET", path) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                said = json.loads(line.removeprefix("data:"))
                if said:
                    yield said[0]


async def call_tool(
    http: httpx.AsyncClient, prefix: str, suffix: str = "", max_length: int = 128, **more: Any
) -> AsyncIterator[dict[str, Any]]:
    """Call `/v1/completions` as another tool does, streamed: yield dicts with the middle so far, the last one
    an `error` if it failed. While the engine has no model it retries after the delay in the response.

    Raises:
        Refused: the server refused the request.
    """
    asked = {
        "prompt": prefix,
        "suffix": suffix,
        "max_tokens": max(
            1, max_length - 4 - _vocabulary().count(prefix) - _vocabulary().count(suffix)
        ),
        "temperature": more.get("temperature", 0.0),
        "seed": more.get("seed"),
        "stream": True,
    }
    middle = ""
    while True:
        async with http.stream("POST", "v1/completions", json=asked) as answer:
            if answer.status_code != 503:
                if answer.status_code != 200:
                    error = json.loads(await answer.aread())["error"]
                    raise Refused(answer.status_code, error["message"])
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        said = json.loads(line.removeprefix("data: "))
                        middle += said["choices"][0]["text"] if "choices" in said else ""
                        yield {"event": "token", **said.get("error", {}), "middle": middle}
                return
            await asyncio.sleep(float(answer.headers["retry-after"]))


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary(presets.BUNDLED_FOLDER)


async def status(http: httpx.AsyncClient) -> dict[str, Any]:
    """Return the response of `/status`."""
    answer = await http.post(f"{API}run/status", json={"data": []})
    found: dict[str, Any] = answer.raise_for_status().json()["data"][0]
    return found
