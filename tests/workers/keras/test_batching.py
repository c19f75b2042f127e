"""Batches of prompts: each gets the tokens it gets alone, and no request waits long.

The bundled preset runs in a separate process (`batching_probe.py`); tests that need no model use scripted
steps.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import machine
from codegemma_ui.workers.keras import planning
from codegemma_ui.workers.keras.batching import BatchedDecoder
from codegemma_ui.workers.keras.decode import Decoder, PrefillProgress
from codegemma_ui.workers.keras.sampling import Sampling
from codegemma_ui.workers.keras.steps import BURST
from tests.workers.keras.scripted_steps import ScriptedRows

REPOSITORY = Path(__file__).parents[3]
GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.8, seed=1)


def compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "g++"))


def report_of(backend: str) -> Any:
    if not machine.backend(backend).installed:
        pytest.skip(f"{backend} is not installed")
    process = subprocess.run(
        [sys.executable, "-m", "tests.workers.keras.batching_probe"],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return json.loads(process.stdout.splitlines()[-1])


class OnABackend:
    def test_tokens_together_are_those_alone(self, report: Any) -> None:
        assert report["together"] == report["alone"]
        assert sum(map(len, report["alone"])) > 300
        assert max(report["places"]) == 4  # they did run together

    def test_both_are_those_of_one_at_a_time(self, report: Any) -> None:
        assert report["alone"] == report["one_at_a_time"]

    def test_one_that_leaves_early_has_had_the_same(self, report: Any) -> None:
        for left, alone in zip(report["left"], report["alone"], strict=True):
            assert left == alone[: len(left)]
        assert [len(each) for each in report["left"]] != [len(each) for each in report["alone"]]

    def test_forced_tokens_and_scores_are_the_same(self, report: Any) -> None:
        assert report["forced_together"] == report["forced_alone"]

    def test_a_model_with_shared_heads_a_window_and_a_soft_cap(self, report: Any) -> None:
        assert report["random"]["together"] == report["random"]["one_at_a_time"]

    def test_nothing_compiles_once_warm(self, report: Any) -> None:
        assert report["random"]["compiled"] == report["random"]["warm"]


class TestOnTorch(OnABackend):
    @pytest.fixture(scope="class")
    def report(self) -> Any:
        return report_of("torch")

    def test_so_are_their_logprobs(self, report: Any) -> None:
        alone, together = report["logprobs_alone"], report["logprobs_together"]
        for mine, theirs in zip(together, alone, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-4)

    def test_a_compiled_row_has_the_same_bits_beside_any_others(self, report: Any) -> None:
        if compiler() is None:
            pytest.skip("no C++ compiler")
        found = report["compiled"]
        assert found["note"] is None
        ids, bits = found["compiled"][0]
        assert len(ids) == 16
        assert all(each == [ids, bits] for each in found["compiled"])
        assert found["uncompiled"] == [ids, ids]


class TestOnJax(OnABackend):
    @pytest.fixture(scope="class")
    def report(self) -> Any:
        return report_of("jax")

    def test_so_are_their_logprobs_to_the_last_bit(self, report: Any) -> None:
        assert report["bits_together"] == report["bits_alone"]

    @pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
    def test_narrow_matrices_give_each_the_bits_that_it_gets_alone(
        self, report: Any, dtype: str
    ) -> None:
        narrow = report["narrow"][dtype]
        assert narrow["together"] == narrow["alone"]
        assert sum(map(len, narrow["alone"])) > 300


@pytest.fixture
def scripted() -> Iterator[tuple[BatchedDecoder, ScriptedRows]]:
    inner = ScriptedRows()
    ticks = itertools.count()
    decoder = BatchedDecoder(inner, 4096, most=4, clock=lambda: next(ticks) * 1e-6)
    yield decoder, inner
    decoder._thread.shutdown()


def ids(choices: Any) -> list[int]:
    return [choice.id for choice in choices]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Crowd:
    """Concurrent callers, each on its own thread.

    Args:
        decoder: their decoder.
    """

    def __init__(self, decoder: BatchedDecoder) -> None:
        self.decoder = decoder
        self.pool = ThreadPoolExecutor(16)

    def ask(self, *arguments: Any, **more: Any) -> Any:
        """Send a request, and return when it is queued; also works on the decoder's own thread."""
        before = self.decoder._came
        future = self.pool.submit(lambda: list(self.decoder.decode(*arguments, **more)))
        wait_until(lambda: self.decoder._came > before)
        return future


def at_dispatch(inner: ScriptedRows, number: int, do: Callable[[], Any]) -> None:
    """Call a function while a dispatch is in progress."""

    def before() -> None:
        if len(inner.written) == number:
            inner.before = lambda: None
            do()

    inner.before = before


REQUESTS = [
    (list(range(1, 4)), 60, GREEDY, (40,)),
    (list(range(30)), 200, GREEDY, ()),
    ([7] * 300, 420, SAMPLED, ()),
    ([5, 9], 40, Sampling(temperature=0.5, seed=3), (12,)),
    (list(range(20)), 21, GREEDY, ()),
    ([3], 128, GREEDY, ()),
]


def test_each_gets_what_it_gets_alone(scripted: Any) -> None:
    decoder, inner = scripted
    alone = Decoder(ScriptedRows(), 4096)
    expected = [ids(alone.decode(*request, drafts=False)) for request in REQUESTS]
    crowd = Crowd(decoder)
    asked: list[Any] = []
    at_dispatch(inner, 1, lambda: asked.extend(crowd.ask(*each) for each in REQUESTS[1:]))
    asked.insert(0, crowd.ask(*REQUESTS[0]))
    wait_until(lambda: len(asked) == len(REQUESTS))
    assert [ids(each.result(20)) for each in asked[1:]] == expected[1:]
    assert ids(asked[0].result(20)) == expected[0]
    assert max(sum(map(bool, each)) for each in inner.written) > 1


def test_a_newcomer_is_read_right_after_the_dispatch_under_way(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []
    marks: list[int] = []

    def arrive() -> None:
        marks.append(len(inner.calls))
        asked.append(crowd.ask([1, 2, 3], 40, GREEDY))

    at_dispatch(inner, 3, arrive)
    crowd.ask([4], 2000, GREEDY).result(20)
    asked[0].result(20)
    after = [call[0] for call in inner.calls[marks[0] :]]
    assert after.index("verify") <= after.index("rows") + 1  # it gives the first token
    assert after[: after.index("verify")].count("rows") == 1


def test_while_a_long_prompt_is_read_others_write_one_dispatch_in_all(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []
    marks: list[int] = []

    def arrive() -> None:
        marks.append(len(inner.calls))
        asked.append(crowd.ask([one % 50 for one in range(2000)], 2020, GREEDY))

    at_dispatch(inner, 4, arrive)
    crowd.ask([4], 4000, GREEDY).result(20)
    asked[0].result(20)
    after = inner.calls[marks[0] :]
    reads = [at for at, call in enumerate(after) if call[0] == "prefill"]
    between = [call[3] for call in after[reads[0] : reads[-1]] if call[0] == "rows"]
    assert len(reads) == len(planning.chunks(0, 2000, 2048))
    assert len(between) == len(reads) - 1  # no request stalls
    assert sum(between) <= BURST


def test_of_a_crowd_of_newcomers_none_waits_for_more_than_a_dispatch_of_others(
    scripted: Any,
) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    marks: list[int] = []

    def arrive() -> None:
        marks.append(len(inner.calls))
        for each in range(3):
            crowd.ask([each], 300, GREEDY)

    at_dispatch(inner, 4, arrive)
    crowd.ask([4], 4000, GREEDY).result(20)
    after = inner.calls[marks[0] :]
    last = [at for at, call in enumerate(after) if call[0] == "verify"][2]
    _, *between = [call[3] for call in after[:last] if call[0] == "rows"]  # the first had begun
    assert between
    assert sum(between) <= BURST


def test_each_is_told_how_far_its_prefill_is(scripted: Any) -> None:
    decoder, inner = scripted
    goes_on = threading.Semaphore(0)
    read = inner.prefill
    inner.prefill = lambda *given: goes_on.acquire(timeout=10) and read(*given)
    events = decoder.stream([7] * 1500, 1600, GREEDY)
    for prefilled in (0, 512, 1024):
        assert next(events) == PrefillProgress(prefilled, 1500)
        goes_on.release()
    assert len(list(events)) == 100


def test_a_stop_does_not_wait_for_the_pass_under_way(scripted: Any) -> None:
    decoder, inner = scripted
    under_way, goes_on, stopped = threading.Event(), threading.Event(), threading.Event()
    read = inner.prefill

    def slow(*given: Any) -> Any:
        under_way.set()
        goes_on.wait(10)
        return read(*given)

    inner.prefill = slow
    events = decoder.stream([7] * 1500, 1600, GREEDY, should_stop=stopped.is_set)
    assert next(events) == PrefillProgress(0, 1500)
    assert under_way.wait(10)
    stopped.set()
    assert list(events) == []
    stopped.clear()
    assert inner.calls == []  # the pass is still in progress
    goes_on.set()
    assert len(ids(decoder.decode([3], 20, GREEDY))) == 19
    assert [call[0] for call in inner.calls].count("prefill") == 1  # no pass followed it


def test_rows_go_on_side_by_side(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []
    at_dispatch(
        inner, 0, lambda: asked.extend(crowd.ask([each], 400, GREEDY) for each in (1, 2, 3))
    )
    crowd.ask([9], 400, GREEDY).result(20)
    for each in asked:
        each.result(20)
    together = [each for each in inner.written if sum(map(bool, each)) == 4]
    assert len(together) > 10
    assert all(len(set(each)) == 1 for each in together[:-1])  # in the last one, one ends


def test_more_than_there_are_places_for_wait_for_one(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []
    at_dispatch(inner, 0, lambda: asked.extend(crowd.ask([each], 300, GREEDY) for each in range(6)))
    crowd.ask([9], 300, GREEDY).result(20)
    assert [len(each.result(20)) for each in asked] == [299] * 6
    assert max(len(each) for each in inner.written) == 4


def test_places_come_and_go_with_rows(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []
    at_dispatch(
        inner,
        2,
        lambda: asked.extend(
            crowd.ask([each], length, GREEDY) for each, length in ((1, 60), (2, 400), (3, 60))
        ),
    )
    crowd.ask([9], 128, GREEDY).result(20)
    for each in asked:
        each.result(20)
    shapes = [(length, rows) for name, length, rows, _ in inner.calls if name == "rows"]
    assert shapes[0] == (128, 2)
    assert (128, 4) in shapes
    assert shapes[-1] == (512, 2)
    assert [length for length, _ in shapes] == sorted(length for length, _ in shapes)


def test_one_who_leaves_frees_a_place_and_takes_nothing_along(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    staying: list[Any] = []

    def leave() -> None:
        at_dispatch(inner, 9, lambda: staying.append(crowd.ask([5, 6], 90, GREEDY)))
        leaving = decoder.decode([1], 3000, GREEDY)
        assert ids(itertools.islice(leaving, 40)) == [(2 + each) % 50 for each in range(40)]
        leaving.close()

    leave()
    wait_until(lambda: bool(staying))
    assert ids(staying[0].result(20)) == [(7 + each) % 50 for each in range(88)]
    wait_until(lambda: not decoder._runs)
    assert sum(map(sum, inner.written)) < 2900  # the closed one would have generated 2,998


def test_reading_ends_between_passes_where_it_is_over(scripted: Any) -> None:
    decoder, inner = scripted
    asked = iter([False, True])
    prompt = [one % 50 for one in range(1500)]
    assert list(decoder.decode(prompt, 2000, GREEDY, should_stop=lambda: next(asked))) == []
    assert [call[2:] for call in inner.calls] == [(0, 512)]
    next(decoder.decode(prompt, 2000, GREEDY))
    assert inner.calls[1][2] == 512  # it continues from there


def test_a_prompt_whose_reading_fails_fails_alone(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    failing: list[Any] = []

    def arrive() -> None:
        inner.logprobs[0] = float("nan")
        failing.append(crowd.ask([1], 60, GREEDY))

    at_dispatch(inner, 2, arrive)
    going = crowd.ask([4], 300, GREEDY)
    wait_until(lambda: bool(failing))
    with pytest.raises(ValueError, match="should be finite"):
        failing[0].result(20)
    with pytest.raises(ValueError, match="should be finite"):
        going.result(20)  # its own tokens are not numbers either
    inner.logprobs[0] = -0.1
    assert len(list(decoder.decode([4], 60, GREEDY))) == 59


def test_a_dispatch_that_fails_is_told_to_all_and_the_next_request_runs(scripted: Any) -> None:
    decoder, inner = scripted
    crowd = Crowd(decoder)
    asked: list[Any] = []

    def fail() -> None:
        raise MemoryError

    def arrive() -> None:
        asked.append(crowd.ask([4], 300, GREEDY))
        inner.before = fail

    at_dispatch(inner, 1, arrive)
    asked.append(crowd.ask([1], 300, GREEDY))
    wait_until(lambda: len(asked) == 2)
    for each in asked:
        with pytest.raises(MemoryError):
            each.result(20)
    inner.before = lambda: None
    assert len(list(decoder.decode([4], 60, GREEDY))) == 59


def test_forced_tokens_come_first_and_a_score_writes_nothing(scripted: Any) -> None:
    decoder, inner = scripted
    assert ids(decoder.decode([1, 2], 9, GREEDY, {3, 6}, forced=[3])) == [3, 4, 5, 6]
    inner.written.clear()
    assert ids(decoder.decode([1, 2], 4, GREEDY, forced=[30, 31])) == [30, 31]
    assert inner.written == []


def test_what_most_requests_share_is_read_once(scripted: Any) -> None:
    decoder, _ = scripted
    prompt = [one % 50 for one in range(300)]
    list(decoder.decode(prompt, 400, GREEDY))
    list(decoder.decode([*prompt, 1, 2], 400, GREEDY))
    assert decoder.prefilled_tokens == 8


def test_warm_up_runs_what_writes_rows_too(scripted: Any) -> None:
    decoder, inner = scripted
    progress = list(decoder.warm_up())
    assert progress[0][0] == 0
    assert progress[-1][0] == progress[-1][1]
    shapes = {call[1:3] for call in inner.calls if call[0] == "rows"}
    assert shapes == {(length, rows) for length in (128, 256, 512, 2048, 4096) for rows in (2, 4)}


def test_no_more_rows_than_there_are_programs_for_are_written_while_it_warms_up(
    scripted: Any,
) -> None:
    decoder, inner = scripted
    warming = decoder.warm_up()
    next(warming)
    crowd = Crowd(decoder)

    def most_together() -> int:
        asked: list[Any] = []
        inner.written.clear()
        at_dispatch(
            inner, 0, lambda: asked.extend(crowd.ask([each], 60, GREEDY) for each in (1, 2, 3))
        )
        crowd.ask([9], 60, GREEDY).result(20)
        for each in asked:
            each.result(20)
        return max(sum(map(bool, each)) for each in inner.written)

    assert most_together() == 2
    list(warming)
    assert most_together() == 4


def test_a_program_that_is_being_tried_is_waited_for(scripted: Any) -> None:
    decoder, inner = scripted
    begun, goes_on = threading.Event(), threading.Event()
    warming = decoder.warm_up()
    next(warming)

    def hold() -> None:
        if not begun.is_set():
            begun.set()
            goes_on.wait(10)

    while not begun.is_set():
        inner.before = hold
        next(warming)
    inner.before = lambda: None
    asked = Crowd(decoder).ask([3], 60, GREEDY)
    wait_until(lambda: any(call[0] == "verify" for call in inner.calls))
    time.sleep(0.05)
    assert not asked.done()
    assert sum(map(sum, inner.written)) == 0
    goes_on.set()
    assert len(asked.result(20)) == 59


def test_callers_on_many_threads_each_hear_their_own(scripted: Any) -> None:
    decoder, _ = scripted
    barrier = threading.Barrier(8)

    def call(number: int) -> bool:
        barrier.wait()
        heard = ids(decoder.decode([number], 80 + number, GREEDY))
        return heard == [(number + 1 + each) % 50 for each in range(79 + number)]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(8)))
