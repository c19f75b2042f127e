"""The real worker over its own pipe: it starts, responds, cancels, and ends when its page is gone."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from codegemma_ui import presets
from codegemma_ui.workers.keras import framework, planning
from codegemma_ui.workers.keras.worker import REST_S, WarmUp
from tests.workers.keras.worker_process import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker("jax")
    worker.until("worker", "loaded")
    yield worker
    worker.process.stop()


def test_it_tells_of_each_step_and_of_what_it_loaded() -> None:
    worker = Worker("jax")
    try:
        said = worker.until("worker", "loaded")
        states = [message["state"] for message in said if message["worker"] == "state"]
        assert states[0] == "loading"
        assert "warming" in states
        progress = [message["progress"] for message in said if message.get("state") == "warming"]
        assert progress == sorted(progress)
        assert progress[-1] == 1.0
        loaded = said[-1]
        assert (loaded["backend"], loaded["dtype"], loaded["device"]) == ("jax", "float32", "CPU")
        assert loaded["parameters"] == presets.bundled().parameters
        assert loaded["memory_bytes"] > 50_000_000
        assert "gemma_backbone" in loaded["summary"]
    finally:
        worker.process.stop()


def test_what_is_left_is_compiled_while_nobody_asks_and_then_nothing_is(worker: Worker) -> None:
    while (said := worker.until("worker", "warm")[-1])["share"] < 1:
        pass
    compilations = said["compilations"]
    lengths = planning.cache_lengths(512)
    # For each to prefill, verify and decode; and to sample.
    assert compilations == sum(len(planning.chunk_sizes(each)) + 1 for each in lengths) + 1
    for number, (length, layout, temperature) in enumerate(
        itertools.product((40, 100, 512), ("psm", "spm"), (0.0, 0.8))
    ):
        worker.complete(
            f"varied{number}",
            prefix="def f(a):\n" * (1 + number),
            suffix="\nx = 1\n" * (1 + number),
            max_length=length,
            layout=layout,
            temperature=temperature,
        )
        worker.until("event", "done", "error")
    worker.process.send({"op": "cancel", "request_id": "none"})
    while not worker.messages.empty():
        assert worker.messages.get().get("worker") != "warm"


class FakeDecoder:
    """Compiles three programs, at once.

    Args:
        fails: whether the last one does not fit into memory.
    """

    class steps:  # noqa: N801
        compiling, compilations, note, warmed = 0, 3, None, staticmethod(lambda: None)

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def warm_up(self) -> Iterator[tuple[int, int]]:
        yield from ((ready, 3) for ready in range(3))
        if self.fails:
            raise MemoryError
        yield 3, 3


def test_a_model_that_is_asked_all_the_time_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[dict[str, Any]] = []
    warm = WarmUp(FakeDecoder(), said.append)  # type: ignore[arg-type]
    warm.first(1)
    warm.advance(compiles=False)
    assert said[-1]["share"] == pytest.approx(1 / 3)
    monkeypatch.setattr("codegemma_ui.workers.keras.worker.MOST_REST_S", 0.0)
    for _ in range(3):
        assert warm.pause_s == 0
        warm.advance(compiles=False)
    assert said[-1]["share"] == 1
    assert warm.pause_s is None


def test_what_cannot_be_compiled_ahead_is_told_and_ends_the_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("codegemma_ui.workers.keras.worker.MOST_REST_S", 0.0)
    said: list[dict[str, Any]] = []
    warm = WarmUp(FakeDecoder(fails=True), said.append)  # type: ignore[arg-type]
    warm.first(1)
    for _ in range(2):
        warm.advance(compiles=True)
    assert said[-1]["share"] == 1
    assert "Not everything could be compiled ahead" in said[-1]["note"]
    assert warm.pause_s is None


def test_a_person_who_types_does_not_wait_for_the_next_program() -> None:
    said: list[dict[str, Any]] = []
    warm = WarmUp(FakeDecoder(), said.append)  # type: ignore[arg-type]
    warm.first(1)
    for _ in range(2):  # loaded; then asked
        rest_s = warm.pause_s
        assert rest_s is not None
        assert 0 < rest_s <= REST_S
        ready = said[-1].get("share", 1 / 3)
        warm.advance(compiles=True)
        assert said[-1]["share"] == ready
        time.sleep(REST_S)
        assert warm.pause_s == 0
        warm.advance(compiles=True)
        assert said[-1]["share"] > ready
        warm.advance(compiles=False)
    time.sleep(REST_S)
    warm.advance(compiles=True)
    assert warm.pause_s is None


def test_events_carry_their_request(worker: Worker) -> None:
    worker.complete("one", prefix="import ", suffix="\n")
    events = worker.until("event", "done")
    assert {event["request_id"] for event in events} == {"one"}
    assert [events[0]["event"], events[-1]["event"]] == ["prompt", "done"]


def test_a_cancel_is_heard_between_tokens(worker: Worker) -> None:
    worker.complete("long", prefix="", suffix="", max_length=512, temperature=3.0, seed=1)
    worker.until("event", "token")
    worker.process.send({"op": "cancel", "request_id": "long"})
    last = worker.until("event", "cancelled", "done")[-1]
    assert last["event"] == "cancelled"
    assert last["completion_tokens"] < 400


def test_a_request_that_fails_leaves_the_worker_serving(worker: Worker) -> None:
    worker.complete("broken", prefix="", suffix="", max_length=100_000)
    failed = worker.until("event", "error")[-1]
    assert failed["code"] == "engine_error"
    assert "Traceback" not in failed["message"]
    worker.complete("next", prefix="x = ", suffix="\n")
    assert worker.until("event", "done")[-1]["request_id"] == "next"


def test_an_orphan_ends_by_itself() -> None:
    worker = Worker("jax")
    worker.until("worker", "state")
    started = time.monotonic()
    worker.process.stop(grace_s=20)  # closes stdin first
    assert worker.exit_codes.get(timeout=20) == 0
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_what_a_model_does_not_need_is_never_imported(backend: str) -> None:
    others = {"jax", "tensorflow", "torch"} - {backend}
    unused = (*framework.UNUSED, *others) if backend != "jax" else (*framework.UNUSED, "tensorflow")
    script = (
        "import sys\n"
        "from codegemma_ui.workers.keras import framework, loading\n"
        f"framework.before_import({backend!r})\n"
        "from codegemma_ui import presets\n"
        f"loading.load(presets.BUNDLED_FOLDER, {backend!r}, 'auto', framework.device({backend!r}))\n"
        f"print([name for name in sys.modules if name.startswith({tuple(unused)!r})"
        " and sys.modules[name] is not None], file=sys.stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=180
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_without_a_compiler_torch_runs_uncompiled_and_says_so() -> None:
    worker = Worker("torch", CXX="/nonexistent/compiler")
    try:
        note = worker.until("worker", "loaded")[-1]["note"]
        assert "no C++ compiler" in note
        worker.complete("one", prefix="import ", suffix="\n")
        assert worker.until("event", "done")[-1]["completion_tokens"] > 0
    finally:
        worker.process.stop()


class TestSeveralAtOnce:
    @pytest.fixture(scope="class", params=["jax", "torch"])
    def worker(self, request: pytest.FixtureRequest) -> Iterator[Worker]:
        # Uncompiled throughout, since a sum's order changes with compilation.
        worker = Worker(request.param, at_once=2, CXX="/nonexistent/compiler")
        assert worker.until("worker", "loaded")[-1]["at_once"] == 2
        yield worker
        worker.process.stop()

    LONG: ClassVar = {"prefix": "def quicksort(values):\n", "max_length": 250}

    def test_a_cancel_of_one_leaves_the_other_its_tokens(self, worker: Worker) -> None:
        worker.complete("alone", **self.LONG)
        alone = worker.until("event", "done")[-1]
        worker.complete("stays", **self.LONG)
        worker.complete("leaves", max_length=512, temperature=3.0, seed=1)
        seen: set[str] = set()
        while "leaves" not in seen:
            seen.add(worker.until("event", "token")[-1]["request_id"])
        worker.process.send({"op": "cancel", "request_id": "leaves"})
        ends: dict[str, dict[str, Any]] = {}
        while len(ends) < 2:
            last = worker.until("event", "done", "cancelled")[-1]
            ends[last["request_id"]] = last
        assert ends["leaves"]["event"] == "cancelled"
        assert ends["leaves"]["completion_tokens"] < 400
        assert ends["stays"]["token_ids"] == alone["token_ids"]
        assert len(alone["token_ids"]) > 100

    def test_each_has_a_time_limit_of_its_own(self, worker: Worker) -> None:
        worker.complete("short", max_length=512, temperature=3.0, seed=2, time_limit_s=0.1)
        worker.complete("long", **self.LONG)
        ends = [worker.until("event", "done")[-1] for _ in range(2)]
        reasons = {end["request_id"]: end["stop_reason"] for end in ends}
        assert reasons == {"short": "time_limit", "long": "max_length"}

    def test_one_that_fails_leaves_the_other(self, worker: Worker) -> None:
        worker.complete("long", **self.LONG)
        worker.complete("broken", max_length=100_000)
        assert worker.until("event", "error")[-1]["request_id"] == "broken"
        assert worker.until("event", "done")[-1]["request_id"] == "long"


def test_a_backend_that_takes_one_at_a_time_says_so() -> None:
    worker = Worker("tensorflow", at_once=4)
    try:
        assert worker.until("worker", "loaded")[-1]["at_once"] == 1
        for name in ("one", "two"):
            worker.complete(name, prefix="import ", suffix="\n")
        said = worker.until("event", "done")
        assert {message.get("request_id") for message in said} <= {"one", None}
        assert worker.until("event", "done")[-1]["request_id"] == "two"
    finally:
        worker.process.stop()
