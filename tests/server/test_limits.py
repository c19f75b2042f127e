"""The operator's limits: a caller can only lower them, through any route."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.server.scripted_page import Page, serving, wait_until
from tools.reliability import visitor
from tools.reliability.visitor import Visitor

TIME_LIMIT_S, CONTEXT = 0.4, 256
FLAGS = (
    *("--time-limit", str(TIME_LIMIT_S), "--context-length", str(CONTEXT)),
    *("--allow-switch", "nobody", "--openai-api", "--mcp"),
)
UNENDING = "slow 0.02"
"""Ten seconds of tokens, if nobody ends it."""

ENOUGH_S = 4.0

Ask = Callable[[httpx.AsyncClient, str, dict[str, Any]], Any]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with serving(*FLAGS) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


async def by_the_page(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    page = Visitor(http, await visitor.open_page(http))
    controls = {"max_length": more["max_length"]} if "max_length" in more else {}
    return _text_of([view async for view in page.complete(prefix, "x", **controls)][-1])


async def by_a_branch(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    page = Visitor(http, await visitor.open_page(http))
    request = {"prefix": prefix, "suffix": "x", "max_length": 128, **more}
    asked: dict[str, Any] = {"request": request, "ending": "LF", "forced": [], "parent": None}
    return _text_of([view async for view in page.branch(json.dumps(asked))][-1])


def _text_of(view: visitor.View) -> str:
    return view.outcome + view.caption + view.middle


async def by_a_call(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    asked = {"prefix": prefix, "suffix": "x", "max_length": 128, **more}
    called = await http.post("/gradio_api/call/v2/complete", json=asked)
    if called.is_error:
        return called.text
    event = called.json()["event_id"]
    return (await http.get(f"/gradio_api/call/complete/{event}")).text


async def by_position(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    asked: dict[str, Any] = {"data": [prefix, "x", more.get("max_length", 128)], **more}
    called = await http.post("/gradio_api/call/complete", json=asked)
    event = called.json()["event_id"]
    return (await http.get(f"/gradio_api/call/complete/{event}")).text


async def by_completions(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    asked = {"prompt": prefix, "suffix": "x", "max_tokens": more.get("max_length", 64), **more}
    return (await http.post("/v1/completions", json=asked)).text


async def by_infill(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    asked = {
        **{"input_prefix": prefix, "input_suffix": "x", "n_predict": more.get("max_length", 64)},
        **{"t_max_predict_ms": 3_600_000, **more},
    }
    return (await http.post("/infill", json=asked)).text


async def by_mcp(http: httpx.AsyncClient, prefix: str, more: dict[str, Any]) -> str:
    call = {"name": "complete", "arguments": {"prefix": prefix, "suffix": "x", **more}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accepts = {"Accept": "application/json, text/event-stream"}
    return (await http.post("/gradio_api/mcp/", json=asked, headers=accepts)).text


DOORS = (
    *(by_the_page, by_a_branch, by_a_call, by_position),
    *(by_completions, by_infill, by_mcp),
)


REFUSE_IT = (by_a_call, by_completions, by_mcp)
"""These have no parameter of that name, and say so."""


def ask(page: Page, door: Ask, prefix: str, more: dict[str, Any]) -> str:
    async def asking() -> str:
        async with visitor.connect(page.url) as http:
            return str(await door(http, prefix, more))

    return asyncio.run(asking())


@pytest.mark.parametrize("more", [{}, {"time_limit_s": 3600}], ids=["unasked", "asked for more"])
@pytest.mark.parametrize("door", DOORS)
def test_the_time_limit_holds(door: Ask, more: dict[str, Any], page: Page) -> None:
    began_s = time.monotonic()
    response = ask(page, door, UNENDING, more)
    if not (more and door in REFUSE_IT):
        assert "xxx" in response  # it was generated, and cut off
    wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
    assert time.monotonic() - began_s < ENOUGH_S


@pytest.mark.parametrize("door", [*DOORS[:4], by_mcp])
def test_nobody_gets_a_longer_context(door: Ask, page: Page) -> None:
    response = ask(page, door, "echo", {"max_length": CONTEXT + 1})
    if door is by_the_page:  # which sets it right
        assert f"max_length ({CONTEXT}) was reached" in response
    else:
        assert f"max_length must be a whole number from 32 to {CONTEXT}" in response


@pytest.mark.parametrize("door", [by_completions, by_infill])
def test_other_tools_are_given_what_the_context_has_room_for(door: Ask, page: Page) -> None:
    asked = {"n_predict" if door is by_infill else "max_tokens": CONTEXT + 1}
    response = ask(page, door, "echo", asked)
    assert '"x"' in response


@pytest.mark.parametrize("name", ["model", "backend", "precision"])
def test_nobody_changes_the_model(name: str, page: Page) -> None:
    value = {"model": "code_gemma_2b_en", "backend": "jax", "precision": "int8"}[name]

    async def choose() -> str:
        async with visitor.connect(page.url) as http:
            return await Visitor(http, await visitor.open_page(http)).choose(name, value)

    before = page.workers()
    try:
        response = asyncio.run(choose())
    except visitor.Refused:  # rejected by the server
        response = ""
    assert "not allowed" in response.lower() or "may not" in response.lower() or not response, (
        response
    )
    assert page.workers() == before
    status = httpx.post(f"{page.url}/gradio_api/run/status", json={"data": []}).json()["data"][0]
    assert (status["preset"], status["backend"]) == ("bundled", "tensorflow")
