"""Concurrent requests through the engine client, with a scripted worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.client.choice import Choice, check_memory
from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import NotEnoughMemory
from codegemma_ui.ipc.messages import Event, TokenEvent
from tests.client.scripted_engine import complete, make_client, wait_for, worker_pids
from tests.support.events import done_of

AT_ONCE = 3

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def client() -> Iterator[EngineClient]:
    client = make_client(max_concurrency=AT_ONCE)
    client.start()
    wait_for(client, "ready")
    yield client
    client.close()


async def listen(client: EngineClient, prefix: str, suffix: str = "") -> list[Event]:
    return [event async for event in client.complete({"prefix": prefix, "suffix": suffix})]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def test_so_many_run_together_and_the_next_waits(client: EngineClient) -> None:
    async def all_of_them() -> list[list[Event]]:
        asked = [asyncio.create_task(listen(client, "slow 0.01", f"<{n}>")) for n in range(4)]
        await until(lambda: client.status().queue_length == 1)
        status = client.status()
        assert (status.state, status.serving, status.at_once) == ("busy", AT_ONCE, AT_ONCE)
        client.cancel()
        await until(lambda: client.status().queue_length == 0)
        client.cancel()
        return await asyncio.gather(*asked)

    for number, events in enumerate(asyncio.run(all_of_them())):
        assert events[-1].event in ("cancelled", "done")
        texts = {event.text for event in events if isinstance(event, TokenEvent)}
        assert texts <= {f"<{number}>"}  # no request gets another's tokens
    assert client.status().serving == 0


def test_one_who_leaves_takes_nobody_along(client: EngineClient) -> None:
    async def leave() -> list[Event]:
        staying = asyncio.create_task(listen(client, "slow 0.002", "<stays>"))
        leaving = client.complete({"prefix": "slow 0.01"})
        async for event in leaving:
            if isinstance(event, TokenEvent):
                break
        await leaving.aclose()  # type: ignore[attr-defined]
        return await staying

    assert asyncio.run(leave())[-1].event == "done"
    assert client.status().serving == 0


def test_a_switch_waits_for_all_and_who_comes_after_it_gets_the_new_model(
    client: EngineClient,
) -> None:
    async def all_of_them() -> list[str | None]:
        before = [asyncio.create_task(listen(client, "slow 0.001")) for _ in range(2)]
        await until(lambda: client.status().serving == 2)
        client.switch(backend="tensorflow")
        after = [asyncio.create_task(listen(client, "echo")) for _ in range(2)]
        return [done_of(await each).backend for each in (*before, *after)]

    assert asyncio.run(all_of_them()) == ["jax", "jax", "tensorflow", "tensorflow"]


def test_where_the_worker_dies_all_are_told_and_it_comes_up_again(client: EngineClient) -> None:
    async def all_of_them() -> list[Event]:
        asked = [asyncio.create_task(listen(client, "slow 0.01")) for _ in range(2)]
        await until(lambda: client.status().serving == 2)
        os.kill(worker_pids()[0], signal.SIGKILL)
        return [(await each)[-1] for each in asked]

    assert [event.event for event in asyncio.run(all_of_them())] == ["error", "error"]
    assert complete(client, prefix="echo")[-1].event == "done"


def test_a_backend_that_takes_one_says_so() -> None:
    client = make_client(backend="tensorflow", max_concurrency=AT_ONCE)
    client.start()
    try:
        wait_for(client, "ready")
        status = client.status()
        assert status.at_once == 1
        assert "tensorflow takes one request of this model at a time" in (status.note or "")
        assert "jax" in (status.note or "")
    finally:
        client.close()


def test_without_the_flag_nothing_is_said() -> None:
    client = make_client()
    client.start()
    try:
        wait_for(client, "ready")
        assert (client.status().at_once, client.status().note) == (1, None)
    finally:
        client.close()


def test_as_many_as_run_are_nobodys_wait(client: EngineClient) -> None:
    async def all_of_them() -> list[int]:
        client._queue.most_waiting = 1
        submitted = [client.submit({"prefix": "slow 0.01"}) for _ in range(AT_ONCE + 1)]
        places = [generation.ahead for generation in submitted]
        refused = client.submit({"prefix": "slow 0.01"})
        assert refused.refusal == client.refusal()
        assert refused.refusal is not None
        assert "At most 1 requests may wait" in refused.refusal.message
        assert [event async for event in refused] == [refused.refusal]
        for generation in submitted:
            generation.cancel()
        await until(lambda: client.status().state == "ready")
        assert client.refusal() is None
        return places

    assert asyncio.run(all_of_them()) == [0, 0, 0, 1]


def test_a_cache_for_each_counts_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice(presets.named("code_gemma_7b_en"), "jax", "bfloat16")
    monkeypatch.setattr(machine, "gpus", lambda: ())
    monkeypatch.setattr(machine, "memory_bytes", lambda: (40 * 10**9, 40 * 10**9))
    check_memory(choice)
    with pytest.raises(NotEnoughMemory, match="lower --max-concurrency"):
        check_memory(choice, at_once=8)
    # They take one at a time, torch that of a large model.
    for backend in ("tensorflow", "torch"):
        check_memory(replace(choice, backend=backend), at_once=8)
