"""The engine client, against a scripted worker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.client.crashes import Crashes
from codegemma_ui.errors import BackendMissing, NotEnoughMemory, UnknownBackend, UnknownPreset
from codegemma_ui.ipc.messages import CancelledEvent, DoneEvent, ErrorEvent, Event, PromptEvent
from codegemma_ui.server import health
from codegemma_ui.settings import Settings
from tests.client.scripted_engine import complete, make_client, wait_for, worker_pids
from tests.support import WORKER
from tests.support.events import done_of, middle_of

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def client() -> Iterator[EngineClient]:
    client = make_client("--fail", "torch")
    client.start()
    yield client
    client.close()


def test_a_request_waits_for_the_model_and_streams(client: EngineClient) -> None:
    assert client.status().state in ("starting", "loading", "warming")
    events = complete(client, prefix="hello", suffix=" world")
    assert [event.event for event in events] == ["prompt", "token", "done"]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].program == "hellohello world"
    assert client.status().state == "ready"


def test_bad_input_is_a_last_event_and_the_next_request_works(client: EngineClient) -> None:
    for raw in ({"prefix": 7}, {"max_length": "many"}, {"max_length": 5000}, {"nonsense": 1}):
        events = complete(client, **raw)
        assert [event.event for event in events] == ["error"]
        assert isinstance(events[0], ErrorEvent)
        assert "Received" in events[0].message
    assert complete(client, prefix="ok")[-1].event == "done"


def test_closing_the_stream_frees_the_engine(client: EngineClient) -> None:
    async def leave() -> None:
        stream = client.complete({"prefix": "slow"})
        async for event in stream:
            if not isinstance(event, PromptEvent):
                break
        await stream.aclose()

    asyncio.run(leave())
    started = time.monotonic()
    assert complete(client, prefix="next")[-1].event == "done"
    assert time.monotonic() - started < 3.0  # it would take 10 s if not cancelled


def test_cancel_ends_the_stream_with_what_was_generated(client: EngineClient) -> None:
    async def collect() -> list[Event]:
        events: list[Event] = []
        async for event in client.complete({"prefix": "slow"}):
            events.append(event)
            if len(events) == 3:
                client.cancel()
        return events

    events = asyncio.run(collect())
    assert isinstance(events[-1], CancelledEvent)
    assert events[-1].middle
    assert events[-1].stop_reason is None


def test_two_requests_never_run_together(client: EngineClient) -> None:
    async def both() -> list[str]:
        seen: list[str] = []

        async def run(name: str) -> None:
            async for _ in client.complete({"prefix": name}):
                seen.append(name)

        await asyncio.gather(run("first"), run("second"), run("third"))
        return seen

    assert asyncio.run(both()) == ["first"] * 3 + ["second"] * 3 + ["third"] * 3


@pytest.mark.parametrize("script", ["stale", "late"])
def test_stale_events_are_dropped(client: EngineClient, script: str) -> None:
    for _ in range(2):
        events = complete(client, prefix=script, suffix="mine")
        assert [event.event for event in events] == ["prompt", "token", "done"]


def test_a_worker_that_lies_is_replaced(client: EngineClient) -> None:
    wait_for(client, "ready")
    error = complete(client, prefix="lie")[-1]
    assert isinstance(error, ErrorEvent)
    assert error.code == "worker_died"
    assert complete(client, prefix="after")[-1].event == "done"


def test_the_time_limit_keeps_what_came(client: EngineClient) -> None:
    last = complete(client, prefix="slow", time_limit_s=0.3)[-1]
    assert isinstance(last, DoneEvent)
    assert last.stop_reason == "time_limit"
    assert last.middle


def test_nobody_asks_for_more_time_than_the_operator_allows() -> None:
    client = make_client(time_limit_s=0.3)
    client.start()
    try:
        last = complete(client, prefix="slow", time_limit_s=3600)[-1]
        assert isinstance(last, DoneEvent)
        assert last.stop_reason == "time_limit"
    finally:
        client.close()


def test_a_dispatch_that_never_ends_is_ended(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegemma_ui.client.running.GRACE_S", 0.2)
    last = complete(client, prefix="hang", time_limit_s=0.1)[-1]
    assert isinstance(last, ErrorEvent)
    assert last.code == "worker_died"
    assert complete(client, prefix="after")[-1].event == "done"


def test_a_stopped_completion_that_cannot_hear_is_told_of(client: EngineClient) -> None:
    wait_for(client, "ready")

    async def leave() -> None:
        stream = client.complete({"prefix": "deaf 0.6"})
        async for _ in stream:
            break
        await stream.aclose()

    asyncio.run(leave())
    status = client.status()
    assert (status.state, status.phase) == ("busy", "ending")
    assert middle_of(complete(client, prefix="next", suffix="next")) == "next"
    assert client.status().phase is None


def test_a_worker_that_does_not_read_holds_nobody_up(client: EngineClient) -> None:
    wait_for(client, "ready")
    (pid,) = worker_pids()
    os.kill(pid, signal.SIGSTOP)

    async def ask() -> float:
        started = time.monotonic()
        stream = client.complete({"prefix": "x" * 200_000, "suffix": "y" * 200_000})
        asking = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        took = time.monotonic() - started
        os.kill(pid, signal.SIGCONT)
        await asking
        await stream.aclose()
        return took

    assert asyncio.run(ask()) < 1.0


def test_out_of_memory_is_told_and_a_smaller_request_succeeds(client: EngineClient) -> None:
    error = complete(client, prefix="oom", max_length=128)[-1]
    assert isinstance(error, ErrorEvent)
    assert error.code == "not_enough_memory"
    assert "max_length" in error.hint
    assert complete(client, prefix="oom", max_length=64)[-1].event == "done"


def test_a_crash_is_told_and_the_next_request_is_served(client: EngineClient) -> None:
    wait_for(client, "ready")
    events = complete(client, prefix="crash")
    assert isinstance(events[-1], ErrorEvent)
    assert events[-1].code == "worker_died"
    assert "last output" not in events[-1].message  # those are for the operator's log
    assert complete(client, prefix="after")[-1].event == "done"


def test_a_kill_for_want_of_memory_is_told_with_what_would_need_less(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(client, "ready")
    kills = [0]
    monkeypatch.setattr("codegemma_ui.client.endings.oom_kills", lambda: kills[0])
    client.switch(backend="tensorflow")
    assert complete(client, prefix="x")[-1].event == "done"
    (pid,) = worker_pids()

    async def killed() -> list[Event]:
        events: list[Event] = []
        async for event in client.complete({"prefix": "slow", "max_length": 256}):
            events.append(event)
            if len(events) == 3:
                kills[0] += 1
                os.kill(pid, signal.SIGKILL)
        return events

    told = asyncio.run(killed())[-1]
    assert isinstance(told, ErrorEvent)
    assert "exit code -9). The system killed it because memory ran out." in told.message
    assert "ower max_length, which is 256" in told.hint


def test_after_three_crashes_within_a_minute_it_is_loaded_again_after_growing_pauses(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause_s(crashes: Crashes) -> float:
        pauses.append(asked_for(crashes))
        return 0.5

    asked_for = Crashes.pause_s
    monkeypatch.setattr(Crashes, "pause_s", pause_s)
    for _ in range(3):
        complete(client, prefix="crash")
    wait_for(client, "failed")
    code, told = health.report(client.status())
    assert code == 503
    assert 0 < told["retry_in_s"] <= 0.5
    wait_for(client, "ready")
    assert health.report(client.status()) == (
        200,
        {"status": "ok", "state": "ready", "queue_length": 0},
    )
    complete(client, prefix="crash")  # the fourth within the minute
    wait_for(client, "failed")
    wait_for(client, "ready")
    assert pauses == [30, 60]
    assert complete(client, prefix="after")[-1].event == "done"


def test_a_model_that_keeps_ending_while_loading_is_loaded_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("codegemma_ui.client.crashes.FIRST_PAUSE_S", 0.3)
    dies = ["--die", "jax"]
    client = make_client(dies)
    client.start()
    try:
        wait_for(client, "failed")
        assert client.status().retry_in_s is not None
        dies.clear()
        wait_for(client, "ready")
        assert client.status().retry_in_s is None
    finally:
        client.close()


def test_nobody_is_loaded_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegemma_ui.client.crashes.FIRST_PAUSE_S", 0.2)
    client = make_client("--die", "jax")
    client.start()
    wait_for(client, "failed")
    client.close()
    time.sleep(0.4)
    assert worker_pids() == []


def test_three_crashes_within_a_minute_stop_the_restarts(client: EngineClient) -> None:
    for _ in range(3):
        complete(client, prefix="crash")
    wait_for(client, "failed")
    error = complete(client, prefix="after")[-1]
    assert isinstance(error, ErrorEvent)
    assert "3 times" in error.message
    assert error.code == "worker_gone"
    client.switch(backend="tensorflow")
    wait_for(client, "ready")
    assert complete(client, prefix="again")[-1].event == "done"


def test_a_switch_replaces_the_worker(client: EngineClient) -> None:
    wait_for(client, "ready")
    client.switch(backend="tensorflow")
    assert client.status().switching_to == {
        "preset": "bundled",
        "backend": "tensorflow",
        "dtype": "auto",
    }
    done = complete(client, prefix="x")[-1]
    assert isinstance(done, DoneEvent)
    assert done.backend == "tensorflow"


def test_a_switch_waits_for_the_running_generation(client: EngineClient) -> None:
    async def switch_meanwhile() -> list[Event]:
        events: list[Event] = []
        async for event in client.complete({"prefix": "slow"}):
            events.append(event)
            if len(events) == 2:
                client.switch(backend="tensorflow")
            if len(events) == 20:
                assert client.status().phase == "waiting"
                client.cancel()
        return events

    events = asyncio.run(switch_meanwhile())
    assert isinstance(events[-1], CancelledEvent)
    assert events[-1].backend == "jax"
    assert done_of(complete(client, prefix="x")).backend == "tensorflow"


def test_a_failed_switch_restores_what_worked(client: EngineClient) -> None:
    wait_for(client, "ready")
    client.switch(backend="torch")
    done = complete(client, prefix="x")[-1]
    assert isinstance(done, DoneEvent)
    assert done.backend == "jax"
    status = client.status()
    assert status.state == "ready"
    assert status.error == {"code": "load_failed", "message": "scripted", "hint": "again"}


def test_a_cancelled_switch_restores_what_worked() -> None:
    client = make_client("--load-s", "0.4")
    client.start()
    try:
        wait_for(client, "ready")
        client.switch(backend="tensorflow")
        wait_for(client, "loading")
        client.cancel_switch()
        done = complete(client, prefix="x")[-1]
        assert isinstance(done, DoneEvent)
        assert done.backend == "jax"
        assert client.status().error is None
    finally:
        client.close()


def test_the_last_of_two_quick_switches_wins(client: EngineClient) -> None:
    wait_for(client, "ready")
    client.switch(backend="tensorflow")
    client.switch(backend="jax", dtype="bfloat16")
    complete(client, prefix="x")
    wait_for(client, "ready")
    assert client.status().backend == "jax"
    assert client.status().switching_to is None


def test_what_worked_comes_back_also_after_two_switches_in_a_row() -> None:
    client = make_client("--load-s", "0.4", "--fail", "torch")
    client.start()
    try:
        wait_for(client, "ready")
        client.switch(backend="tensorflow")
        wait_for(client, "loading")
        client.switch(backend="torch")
        done = complete(client, prefix="x")[-1]
        assert isinstance(done, DoneEvent)
        assert done.backend == "jax"
        assert client.status().error == {
            "code": "load_failed",
            "message": "scripted",
            "hint": "again",
        }
    finally:
        client.close()


def test_a_worker_that_dies_while_loading_is_tried_three_times() -> None:
    client = make_client("--die", "jax")
    client.start()
    try:
        wait_for(client, "failed")
        error = complete(client, prefix="x")[-1]
        assert isinstance(error, ErrorEvent)
        assert error.code == "load_failed"
        assert "3 times while loading (exit code 9)" in error.message
    finally:
        client.close()


def test_a_worker_killed_while_loading_is_started_again_and_the_request_is_served() -> None:
    client = make_client("--load-s", "0.3")
    client.start()
    try:
        wait_for(client, "loading")
        while not (children := worker_pids()):
            time.sleep(0.01)
        os.kill(children[0], signal.SIGKILL)
        started = time.monotonic()
        while client.status().error is None:
            assert time.monotonic() - started < 5
            time.sleep(0.01)
        error = client.status().error
        assert error is not None
        assert error["code"] == "worker_died"
        assert "while loading (exit code -9)" in error["message"]
        assert complete(client, prefix="after")[-1].event == "done"
        assert client.status().error is None
        assert client.restarts == 1
    finally:
        client.close()


def test_another_choice_that_dies_while_loading_is_not_tried_again() -> None:
    client = make_client("--die", "torch")
    client.start()
    try:
        wait_for(client, "ready")
        client.switch(backend="torch")
        done = complete(client, prefix="x")[-1]
        assert isinstance(done, DoneEvent)
        assert done.backend == "jax"
        error = client.status().error
        assert error is not None
        assert "ended while loading (exit code 9)" in error["message"]
    finally:
        client.close()


def test_a_start_can_be_cancelled_and_another_chosen() -> None:
    client = make_client("--load-s", "30")
    client.start()
    try:
        wait_for(client, "loading")
        started = time.monotonic()
        client.cancel_switch()
        wait_for(client, "failed")
        assert time.monotonic() - started < 2.0
        assert client.status().error is not None
    finally:
        client.close()


def test_what_cannot_run_is_refused_at_once(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(client, "ready")
    with pytest.raises(UnknownPreset):
        client.switch(preset="gpt_9")
    with pytest.raises(UnknownBackend):
        client.switch(backend="theano")
    monkeypatch.setattr("codegemma_ui.machine.memory_bytes", lambda: (8 * 10**9, 8 * 10**9))
    with pytest.raises(
        NotEnoughMemory, match=r"about 18\.5 GB in int8 \(8\.5 of weights \+ 7\.5 of cache"
    ):
        client.switch(preset="code_gemma_7b_en")
    object.__setattr__(client.settings, "pythons", {"tensorflow": "/nonexistent/python"})
    with pytest.raises(BackendMissing):
        client.switch(backend="tensorflow")
    assert client.status().state == "ready"


def test_the_worker_ends_when_the_client_does(client: EngineClient) -> None:
    wait_for(client, "ready")
    worker = client._lifecycle.worker
    assert worker is not None
    assert worker.process is not None
    pid = worker.process.pid
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_backend_may_live_in_another_environment(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)

    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    client = EngineClient(Settings(backend="jax", pythons={"jax": str(python)}), command)
    client.start()
    try:
        assert complete(client, prefix="x")[-1].event == "done"
        calls = (tmp_path / "calls").read_text().splitlines()
        assert any("scripted_worker.py" in call for call in calls)
        jax = next(one for one in client.backends() if one.name == "jax")
        assert jax.python == str(python)
        assert jax.installed
    finally:
        client.close()
