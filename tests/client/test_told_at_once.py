"""The status while a model loads, prefills, decodes and scores; and estimates of the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import Event, PrefillEvent, Status
from tests.client.scripted_engine import complete, make_client, wait_for

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def client() -> Iterator[EngineClient]:
    client = make_client()
    client.start()
    wait_for(client, "ready")
    yield client
    client.close()


def during(
    client: EngineClient, look: Callable[[], Awaitable[Status]], **raw: object
) -> tuple[list[Event], Status]:
    """Return the events of a request up to the time of a status check, and the result of the check."""

    async def ask() -> tuple[list[Event], Status]:
        events: list[Event] = []
        stream = client.complete(raw)
        async with aclosing(stream):

            async def read() -> None:
                async for event in stream:
                    events.append(event)

            reading = asyncio.create_task(read())
            seen = await look()
            async with asyncio.timeout(10):
                while not events[1:]:  # events after the prompt
                    await asyncio.sleep(0.01)
            client.cancel()
            await reading
        return events, seen

    return asyncio.run(ask())


async def until(client: EngineClient, holds: Callable[[Status], object]) -> Status:
    async with asyncio.timeout(10):
        while not holds(status := client.status()):
            await asyncio.sleep(0.01)
    return status


def test_a_prompt_that_is_prefilled_is_told_apart(client: EngineClient) -> None:
    events, seen = during(client, lambda: until(client, lambda one: one.phase), prefix="read 0.5")
    assert (seen.state, seen.phase) == ("busy", "prefill")
    assert any(isinstance(event, PrefillEvent) for event in events)


def test_one_that_writes_has_no_phase(client: EngineClient) -> None:
    async def look() -> Status:
        await until(client, lambda one: one.state == "busy")
        return await until(client, lambda one: one.phase is None)

    assert during(client, look, prefix="slow")[1].state == "busy"


def test_scoring_is_no_writing(client: EngineClient) -> None:
    _, seen = during(
        client, lambda: until(client, lambda one: one.phase), prefix="slow", score=True, forced="a"
    )
    assert seen.phase == "scoring"


def test_a_load_tells_how_far_it_is() -> None:
    client = make_client("--load-s", "1")
    client.start()
    try:

        async def shares() -> list[float]:
            seen: list[float] = []
            async with asyncio.timeout(10):
                while (status := client.status()).state != "ready":
                    if status.state == "loading" and status.progress is not None:
                        assert status.returns_to is None  # there is nothing to go back to
                        seen.append(status.progress)
                    await asyncio.sleep(0.01)
            return seen

        seen = asyncio.run(shares())
        assert seen == sorted(seen)
        assert len(set(seen)) > 3
    finally:
        client.close()


def test_a_switch_is_no_request_and_tells_what_it_returns_to(client: EngineClient) -> None:
    async def look() -> Status:
        await until(client, lambda one: one.state == "busy")
        client.switch(backend="tensorflow")
        return await until(client, lambda one: one.phase == "waiting")

    seen = during(client, look, prefix="slow")[1]
    assert seen.queue_length == 0
    assert seen.returns_to == {"preset": "bundled", "backend": "jax", "dtype": "auto"}
    assert client.wait_s(1) is None  # the duration of a load is unknown


def test_who_waits_is_told_about_how_long(client: EngineClient) -> None:
    assert client.status().tokens_per_s is None
    complete(client, prefix="slow 0.02", time_limit_s=1.0)
    speed = client.status().tokens_per_s
    assert speed is not None
    assert 10 < speed <= 50

    async def look() -> Status:
        await until(client, lambda one: one.state == "busy" and one.phase is None)
        waits.append(client.wait_s(1))
        await asyncio.sleep(0.2)
        waits.append(client.wait_s(1))
        waits.append(client.wait_s(2))
        return client.status()

    waits: list[float | None] = []
    during(client, look, prefix="slow 0.02", time_limit_s=1.5)
    first, later, second = waits
    assert first is not None
    assert later is not None
    assert second is not None
    assert 0.0 <= later < first <= 1.5  # it moves
    assert second > later + 0.3  # as long as the one before took
