"""A stream of events folded into updates, at the rate that the contract states."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from codegemma_ui.client.generation import Generation
from codegemma_ui.client.progress import Progress, updates
from codegemma_ui.ipc.messages import (
    CompletionRequest,
    DoneEvent,
    Event,
    PrefillEvent,
    PromptEvent,
    TokenEvent,
)

PROMPT = PromptEvent(
    prompt="p", prompt_tokens=4, max_length=64, trimmed_prefix_tokens=0, trimmed_suffix_tokens=0
)


def token(index: int) -> TokenEvent:
    return TokenEvent(index=index, id=index, text=str(index), logprob=-1.0, alternatives=())


def generate(events: AsyncIterator[Event]) -> Generation:
    """Return a generation of these events; cancelling it closes them."""

    async def put_all() -> None:
        async for event in events:
            generation.put(event)

    def cancel(_: Generation) -> None:
        loop.call_soon_threadsafe(putting.cancel)

    request = CompletionRequest(prefix="<", suffix=">")
    generation = Generation("r1", request, cancel)
    loop, putting = asyncio.get_running_loop(), asyncio.create_task(put_all())
    return generation


def collect(events: AsyncIterator[Event]) -> tuple[list[dict], list[float]]:
    async def run() -> tuple[list[dict], list[float]]:
        dicts, times = [], []
        async for progress in updates(generate(events)):
            dicts.append(progress.to_dict())
            times.append(time.monotonic())
        return dicts, times

    return asyncio.run(run())


def test_acceptance_first_token_and_the_end_are_always_told() -> None:
    async def events() -> AsyncIterator[Event]:
        yield PROMPT
        for index in range(50):
            yield token(index)
        yield DoneEvent(middle="all", token_ids=(1,))

    dicts, _ = collect(events())
    assert [each["event"] for each in dicts] == ["prompt", "token", "done"]
    assert dicts[0]["middle"] is None
    assert dicts[-1]["event"] == "done"
    assert dicts[-1]["middle"] == "all"
    assert len({tuple(each) for each in dicts}) == 1  # the same keys in each


def test_the_prefill_is_told_beside_the_keys_of_done() -> None:
    async def events() -> AsyncIterator[Event]:
        yield PROMPT
        for tokens in (0, 2):
            await asyncio.sleep(0.1)
            yield PrefillEvent(prefilled_tokens=tokens, total_tokens=4)
        await asyncio.sleep(0.1)
        yield token(0)
        yield DoneEvent(middle="0")

    dicts, _ = collect(events())
    told = [each for each in dicts if each["event"] == "prefill"]
    assert [(each["prefilled_tokens"], each["total_tokens"]) for each in told] == [(0, 4), (2, 4)]
    assert {name for each in told for name in each} == {
        *dicts[0],
        *("prefilled_tokens", "total_tokens"),
    }
    assert [each["event"] for each in dicts[-2:]] == ["token", "done"]


def test_what_is_left_of_a_prefill_is_known_from_the_second_event_on() -> None:
    now_s = 5.0
    progress = Progress("", "", clock=lambda: now_s)
    assert progress.prefill_left_s is None
    for tokens, left_s in ((100, None), (100, None), (200, 16.0), (900, 2.0)):
        progress.add(PrefillEvent(prefilled_tokens=tokens, total_tokens=1000))
        assert progress.prefill_left_s == left_s
        now_s += 1 if tokens == 100 else 14


def test_a_slow_stream_is_told_ten_times_a_second() -> None:
    async def events() -> AsyncIterator[Event]:
        yield PROMPT
        for index in range(4):
            yield token(index)
            await asyncio.sleep(0.3)
        yield DoneEvent(middle="0123")

    dicts, times = collect(events())
    first = next(index for index, each in enumerate(dicts) if each["event"] == "token")
    gaps = [
        later - earlier for earlier, later in zip(times[first:], times[first + 1 :], strict=False)
    ]
    assert max(gaps) < 1.0  # 0.1 is documented; this allows for a busy machine
    assert sorted(gaps)[len(gaps) // 2] < 0.1
    assert dicts[first]["program"] == "<0>"


def test_closing_the_updates_closes_the_stream() -> None:
    closed = []

    async def events() -> AsyncIterator[Event]:
        try:
            yield PROMPT
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def run() -> None:
        stream = updates(generate(events()))
        async for progress in stream:
            if progress.prompt is not None:
                break
        await stream.aclose()

    asyncio.run(run())
    assert closed


def test_a_stop_ends_the_updates_at_once_from_any_thread() -> None:
    closed = []

    async def events() -> AsyncIterator[Event]:
        try:
            yield PROMPT
            yield token(0)
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def run() -> tuple[float, object, str]:
        generation = generate(events())
        pressed = 0.0
        async for progress in updates(generation):
            if progress.tokens and not pressed:
                pressed = time.monotonic()
                await asyncio.to_thread(generation.cancel)
        return time.monotonic() - pressed, progress.last, progress.completion.middle or ""

    took, last, middle = asyncio.run(run())
    assert took < 0.2  # a heartbeat is 0.25
    assert (last, middle) == (None, "0")
    assert closed


def test_where_nobody_listens_the_generation_is_cancelled() -> None:
    closed = []

    async def events() -> AsyncIterator[Event]:
        try:
            yield PROMPT
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def run() -> object:
        answers = iter([True, False])
        async for progress in updates(generate(events()), lambda: next(answers)):
            last = progress.last
        await asyncio.sleep(0)
        return last

    assert asyncio.run(run()) is None
    assert closed
