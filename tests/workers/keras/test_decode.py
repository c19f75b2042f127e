"""The decode loop generates KerasHub's own tokens on every backend, and compiles nothing after warm-up.

A tiny model of random weights and the bundled preset run in one process per backend and model
(`decode_probe.py`), since Keras takes one backend per process. Tests that need no model use scripted steps.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from codegemma_ui.workers.keras import planning, prefix_cache, steps
from codegemma_ui.workers.keras.decode import POLL_S, Decoder, PrefillProgress
from codegemma_ui.workers.keras.pass_times import MOST_S
from codegemma_ui.workers.keras.planning import CHUNKS
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.sampling import Sampling, TokenChoice
from codegemma_ui.workers.keras.steps import PassAbandoned
from tests.workers.keras import decoding
from tests.workers.keras.decoding import FLOAT32_TOLERANCE
from tests.workers.keras.scripted_steps import ScriptedSteps

GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.8, seed=1)


def programs(context_length: int) -> int:
    """Return the number of compiled programs: for each cache length one that verifies drafts, those that
    prefill, and the one that decodes; and one for sampling."""
    lengths = planning.cache_lengths(context_length)
    return sum(len(planning.chunk_sizes(length)) + 1 for length in lengths) + 1


PROGRAMS = programs(512)


CACHE_SHAPES = {
    "tiny": [[[2, 512, 16], [2, 512, 16]]] * 2,
    "bundled": [[[4, 512, 64], [4, 512, 64]]] * 6,
}
"""Model -> layer -> keys and values, each (heads, positions, head_dim)."""


@pytest.fixture(
    scope="module",
    params=[("jax", "tiny"), *((backend, "bundled") for backend in steps.BACKENDS)],
    ids="-".join,
)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    backend, model = request.param
    return decoding.report(backend, model, tmp_path_factory.mktemp("modules"))


class TestOnEveryBackend:
    def test_greedy_tokens_are_those_of_generate(self, report: Any) -> None:
        assert len(report["greedy"]) >= 30
        differing = [case for case in report["greedy"] if case["ours"] != case["theirs"]]
        assert differing == []

    def test_the_prompts_cover_every_edge_and_more_than_one_token(self, report: Any) -> None:
        lengths = {case["prompt_length"] for case in report["greedy"]}
        assert {31, 32, 33, 127, 128, 129, 160, 161, 498, 511} <= lengths
        assert {case["max_length"] for case in report["greedy"]} == {64, 192, 256, 512}
        assert sum(len(case["ours"]) for case in report["greedy"]) > 200

    def test_nothing_compiles_once_warm(self, report: Any) -> None:
        warm, after = report["compilations"]["warm"], report["compilations"]["after"]
        assert after == warm
        if report["backend"] == "torch":
            # Graphs, and inductor's output for them: each serves caches, and one all chunks, of any length.
            assert warm["programs"] == 2 * len(("prefill", "verify", "step", "sample"))
        else:
            assert warm["modules"] >= PROGRAMS  # or the dump is in another folder
            assert warm["programs"] == PROGRAMS

    def test_warm_up_tells_how_far_it_is(self, report: Any) -> None:
        told = [one for one, _ in itertools.groupby(report["progress"])]
        assert told == [[done, PROGRAMS] for done in range(PROGRAMS + 1)]

    def test_closing_half_way_leaves_the_next_decode_right(self, report: Any) -> None:
        before, after = report["interrupted"]["before"], report["interrupted"]["after"]
        assert len(before) == 40
        assert_alike(before, after)

    def test_what_a_prompt_shares_with_an_earlier_one_is_not_read_again(self, report: Any) -> None:
        read = {case["name"]: case["prefill"] for case in report["reused"]}
        afresh = {case["name"]: case["read_afresh"] for case in report["reused"]}
        for name in ("one more", "shorter", "one more near the end"):
            assert read[name] == 8
        for name in ("changed in the middle", "the first once more"):
            assert read[name] < 0.7 * afresh[name]

    def test_tokens_after_a_reused_beginning_are_those_without(self, report: Any) -> None:
        for case in report["reused"]:
            assert_alike(case["ours"], case["theirs"])

    def test_drafts_change_no_token(self, report: Any) -> None:
        assert len(report["drafted"]) > 10
        for case in report["drafted"]:
            assert case["with"] == case["without"]
        assert sum(case["checks"] for case in report["drafted"]) > 10

    def test_a_layer_has_keys_and_values_by_head(self, report: Any) -> None:
        assert report["cache_shapes"] == CACHE_SHAPES[report["model"]]

    def test_a_seed_repeats_and_another_differs(self, report: Any) -> None:
        sampled = report["sampled"]
        assert sampled["seed 1"] == sampled["seed 1 again"]
        assert sampled["seed 1"] != sampled["seed 2"]

    def test_alternatives_are_the_models_own_top_five(self, report: Any) -> None:
        for case in report["alternatives"]:
            assert [token for token, _ in case["ours"]] == [token for token, _ in case["theirs"]]
            np.testing.assert_allclose(
                [logprob for _, logprob in case["ours"]],
                [logprob for _, logprob in case["theirs"]],
                atol=FLOAT32_TOLERANCE,
            )
            for ours, theirs in (case["logprob"], case["stop"]):
                assert ours == pytest.approx(theirs, abs=FLOAT32_TOLERANCE)

    def test_what_is_forced_changes_nothing_that_would_have_come(self, report: Any) -> None:
        for case in report["forced"]:
            assert case["again"] == case["whole"]
            assert case["prefill"] <= 24  # the prompt was cached

    def test_weights_read_from_a_preset_are_the_models(self, report: Any) -> None:
        taken = report["taken"]
        assert len(taken["kept"]) > 3
        assert taken["taken"] == taken["kept"]

    def test_there_is_nothing_to_be_told_where_all_could_be_compiled(self, report: Any) -> None:
        assert report["note"] is None


def assert_alike(one: list[list[float]], other: list[list[float]]) -> None:
    """Check for the same tokens, and logprobs that differ at most by the order of sums."""
    assert [token for token, _ in one] == [token for token, _ in other]
    np.testing.assert_allclose(
        [logprob for _, logprob in one], [logprob for _, logprob in other], atol=FLOAT32_TOLERANCE
    )


@pytest.fixture
def scripted() -> tuple[Decoder, ScriptedSteps]:
    inner = ScriptedSteps()
    return Decoder(inner, context_length=4096, clock=inner.clock), inner


def ids(choices: Any) -> list[int]:
    return [choice.id for choice in choices]


def drain(decoder: Decoder) -> None:
    """Wait for the pass that was started ahead."""
    decoder._thread.submit(lambda: None).result()


class TestForcedTokens:
    def test_they_come_first_however_likely_and_what_follows_goes_on_from_them(
        self, scripted: Any
    ) -> None:
        decoder, _ = scripted
        choices = list(decoder.decode([1, 2, 3], 10, GREEDY, forced=[4, 30, 31]))
        assert ids(choices) == [4, 30, 31, 32, 33, 34, 35]
        assert [round(choice.logprob, 1) for choice in choices[:4]] == [-0.1, -7.0, -0.1, -0.1]
        assert [choice.alternatives[0][0] for choice in choices[:3]] == [4, 5, 31]
        assert {choice.stop_logprob for choice in choices} == {-4.0}

    @pytest.mark.parametrize("prompt", [1, 2, 7, 8, 9, 40, 300, 500, 505])
    @pytest.mark.parametrize("forced", [1, 6, 7])
    def test_none_is_lost_at_any_length_and_no_chunk_passes_the_end(
        self, prompt: int, forced: int
    ) -> None:
        steps = ScriptedSteps()
        decoder = Decoder(steps, context_length=512)
        given = [7] * forced
        choices = list(decoder.decode(range(prompt), prompt + forced, GREEDY, forced=given))
        assert ids(choices) == given
        more = list(decoder.decode(range(prompt), 512, GREEDY, forced=given))
        assert ids(more)[: forced + 2] == [*given, 8, 9][: 512 - prompt]

    def test_a_stop_token_among_them_ends_nothing(self, scripted: Any) -> None:
        decoder, _ = scripted
        assert ids(decoder.decode([1, 2], 9, GREEDY, {3, 6}, forced=[3])) == [3, 4, 5, 6]
        assert ids(decoder.decode([1, 2], 9, GREEDY, {3}, forced=[2, 3])) == [2, 3, 4, 5, 6, 7, 8]

    def test_a_seed_draws_after_them_what_it_drew_at_these_places(self, scripted: Any) -> None:
        decoder, steps = scripted
        whole = ids(decoder.decode([1, 2, 3], 20, SAMPLED))
        drawn, steps.drawn = steps.drawn, []
        again = ids(decoder.decode([1, 2, 3], 20, SAMPLED, forced=whole[:5]))
        assert again == whole
        assert steps.drawn == drawn[5:]

    def test_the_kept_cache_holds_them(self, scripted: Any) -> None:
        decoder, steps = scripted
        prompt = list(range(40))
        list(decoder.decode(prompt, 64, GREEDY, {45}))
        drain(decoder)
        steps.calls.clear()
        list(decoder.decode(prompt, 64, GREEDY, {45}, drafts=False, forced=[40, 41, 20]))
        assert [call for call in steps.calls if call[0] != "decode"] == [("verify", 256, 39, 8)]

    def test_a_reading_that_is_broken_off_gives_what_it_has(self, scripted: Any) -> None:
        decoder, _ = scripted
        inner = decoder.steps
        choices = decoder.decode(
            [1], 64, GREEDY, should_stop=lambda: len(inner.calls) == 2, forced=[5] * 20
        )
        assert ids(choices) == [5] * 16

    def test_more_than_fit_are_refused(self, scripted: Any) -> None:
        decoder, _ = scripted
        with pytest.raises(ValueError, match="3 and 2 tokens"):
            decoder.decode([1, 2, 3], 4, GREEDY, forced=[4, 5])


class TestTheLoop:
    def test_it_ends_where_prompt_and_tokens_make_max_length(self, scripted: Any) -> None:
        decoder, _ = scripted
        assert ids(decoder.decode([1, 2, 3], 8, GREEDY)) == [4, 5, 6, 7, 8]
        assert ids(decoder.decode([1, 2, 3], 8, SAMPLED)) == [5, 7, 9, 11, 13]

    def test_it_ends_after_a_stop_token(self, scripted: Any) -> None:
        decoder, _ = scripted
        assert ids(decoder.decode([1, 2, 3], 64, GREEDY, {6, 20})) == [4, 5, 6]
        assert ids(decoder.decode([1, 2, 3], 64, SAMPLED, {6, 9})) == [5, 7, 9]

    def test_what_was_drawn_is_told_beside_what_was_likely(self, scripted: Any) -> None:
        decoder, _ = scripted
        first = next(decoder.decode([1, 2, 3], 8, SAMPLED))
        assert (first.id, first.logprob) == (5, -5.0)
        assert [token for token, _ in first.alternatives] == [4, 5, 6, 7, 8]

    def test_each_token_is_drawn_by_its_own_number(self, scripted: Any) -> None:
        decoder, inner = scripted
        list(decoder.decode([1, 2, 3], 60, SAMPLED))
        assert len(inner.drawn) == 57
        assert len(set(inner.drawn)) == 57
        assert sum(name == "decode" for name, *_ in inner.calls) < 20  # several a pass

    def test_a_stop_token_in_a_draft_ends_it_too(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompt = [*range(10), *range(4)]
        assert ids(decoder.decode(prompt, 64, GREEDY, {6})) == [4, 5, 6]
        assert any(name == "verify" and offset >= 14 for name, _, offset, _ in inner.calls)

    def test_the_first_token_is_had_before_the_next_pass_ends(self, scripted: Any) -> None:
        decoder, inner = scripted
        waits = threading.Event()
        write = inner.decode
        inner.decode = lambda *given: waits.wait(10) and write(*given)
        choices = decoder.decode([1], 8, GREEDY)
        assert next(choices).id == 2
        assert inner.calls == [("verify", 256, 0, 8)]
        waits.set()
        assert ids(choices) == [3, 4, 5, 6, 7, 8]

    def test_nothing_runs_before_the_first_token_is_asked_for(self, scripted: Any) -> None:
        decoder, inner = scripted
        decoder.decode([1], 8, GREEDY)
        drain(decoder)
        assert inner.calls == []

    def test_a_prompt_that_fills_max_length_yields_nothing(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert list(decoder.decode([1, 2], 2, GREEDY)) == []
        assert inner.calls == []

    def test_the_cache_is_chosen_by_max_length(self, scripted: Any) -> None:
        decoder, inner = scripted
        for max_length in (2, 256, 257, 512, 513, 2048, 2049, 4096, 100):
            next(decoder.decode([1], max_length, GREEDY))
        drain(decoder)
        assert set(inner.allocated) == {256, 512, 2048, 4096}

    def test_an_older_iterator_ends_when_a_newer_one_begins(self, scripted: Any) -> None:
        decoder, _ = scripted
        older = decoder.decode([1], 64, GREEDY)
        next(older)
        decoder.decode([2], 8, GREEDY)
        with pytest.raises(RuntimeError, match="newer decode"):
            list(older)

    @pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0.01, seed=1)])
    def test_reading_can_be_ended_between_passes_and_goes_on_from_there(
        self, scripted: Any, sampling: Sampling
    ) -> None:
        decoder, inner = scripted
        prompt = [one % 60 for one in range(1500)]
        assert (
            list(decoder.decode(prompt, 2000, sampling, should_stop=lambda: bool(inner.calls)))
            == []
        )
        drain(decoder)
        assert [call[2:] for call in inner.calls] == [(0, 512)]
        next(decoder.decode(prompt, 2000, sampling))
        assert inner.calls[1][2] == 512

    def test_kept_caches_can_be_let_go(self, scripted: Any) -> None:
        decoder, inner = scripted
        for _ in range(2):
            next(decoder.decode(list(range(20)), 40, GREEDY))
            decoder.forget()
        assert len(inner.allocated) == 2

    def test_a_pass_that_fails_gives_its_cache_up(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompt = list(range(20))
        assert next(decoder.decode(prompt, 64, GREEDY)).id == 20
        drain(decoder)
        inner.fails = True
        with pytest.raises(KeyboardInterrupt):
            list(decoder.decode(prompt, 64, GREEDY))
        inner.fails = False
        assert next(decoder.decode(prompt, 64, GREEDY)).id == 20
        assert decoder.prefilled_tokens > 8  # nothing of it was left
        assert inner.allocated == [256, 256]

    def test_logits_that_are_no_numbers_are_an_error(self, scripted: Any) -> None:
        decoder, inner = scripted
        inner.logprobs = [float("nan")] * 6
        with pytest.raises(ValueError, match="should be finite"):
            next(decoder.decode([1], 8, GREEDY))

    def test_a_request_does_not_wait_for_what_is_tried(self, scripted: Any) -> None:
        decoder, inner = scripted
        warming = decoder.warm_up()
        while next(warming)[0] < programs(512):
            pass
        inner.holds = (2048, 32)  # a program that takes long to compile
        while next(warming)[0] < programs(512) or not inner.held.is_set():
            pass
        assert ids(decoder.decode([1] * 20, 24, GREEDY)) == [2, 3, 4, 5]
        with ThreadPoolExecutor(1) as aside:  # waits for the program being tried
            begun = aside.submit(next, decoder.decode([1] * 20, 1000, GREEDY))
            assert next(warming)[0] == programs(512)
            assert not begun.done()
            inner.released.set()
            assert begun.result(10).id == 2

    @pytest.mark.parametrize(("share", "sizes"), [(0.01, CHUNKS[1:]), (1.0, (32,))])
    def test_chunks_that_would_hold_a_person_up_are_not_tried(
        self, share: float, sizes: tuple[int, ...]
    ) -> None:
        inner = SlowSteps()
        decoder = Decoder(inner, 4096, clock=lambda: inner.now_s * share)
        assert list(decoder.warm_up())[-1] == (programs(4096), programs(4096))
        tried = {size for size, _ in inner.passes}
        assert tried == {8, *sizes}
        assert decoder.pass_times.longest() in tried

    def test_bursts_grow_while_others_compile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = ScriptedSteps()
        decoder = Decoder(inner, context_length=4096, clock=inner.clock)
        compiled = itertools.count()
        monkeypatch.setattr(
            ScriptedSteps, "compilations", property(lambda _: next(compiled)), raising=False
        )
        assert len(list(decoder.decode([1] * 20, 200, GREEDY, drafts=False))) == 180
        counts = [count for name, *_, count in inner.calls if name == "decode"]
        assert counts[:2] == [1, 1]  # the first run compiles, and tells no time
        assert set(counts[2:-1]) == {16}

    def test_warm_up_runs_every_program_of_every_length(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert list(decoder.warm_up())[-1] == (programs(4096), programs(4096))
        assert inner.calls.pop() == ("warmed",)
        assert len(inner.drawn) == 1
        shapes = {(name, length, size) for name, length, _, size in inner.calls}
        passes = {("decode", 1), ("verify", 8), *(("prefill", size) for size in CHUNKS[1:])}
        lengths = (256, 512, 2048, 4096)
        assert shapes == {(name, at, size) for at in lengths for name, size in passes if size <= at}
        assert [call[0] for call in inner.calls[:2]] == [
            "prefill",
            "decode",
        ]  # before the first request


class SlowSteps(ScriptedSteps):
    """A large model on a slow machine: a token takes 20 ms to prefill, a pass 100 ms more.

    Attributes:
        passes: size and seconds of each that decodes nothing.
    """

    weight_bytes = 5_000_000_000

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[tuple[int, float]] = []

    def seconds(self, name: str, size: int) -> float:
        seconds = 0.1 + 0.02 * size
        if name != "decode":
            self.passes.append((size, seconds))
        return seconds


class PartedSteps(SlowSteps):
    """The same in ten parts.

    Attributes:
        parts_done: for each `prefill`.
        before: called before each part.
    """

    parts = 10

    def __init__(self) -> None:
        super().__init__()
        self.parts_done: list[int] = []
        self.before: Callable[[], None] = lambda: None

    def prefill(
        self,
        cache: Any,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        should_continue: Callable[[int], bool] = steps.always,
    ) -> Any:
        self.parts_done.append(0)
        for done in range(self.parts):
            self.before()
            if not should_continue(done):
                raise PassAbandoned(cache)
            self.parts_done[-1] += 1
        return super().prefill(cache, token_ids, offset, last, stop_ids)


class TestPrefillInParts:
    def test_the_parts_of_a_pass_are_what_is_limited(self) -> None:
        inner = PartedSteps()
        decoder = Decoder(inner, 4096, clock=inner.clock)
        list(decoder.decode([7] * 951, 960, GREEDY, drafts=False))
        assert 8 not in [size for size, _ in inner.passes]
        assert len(inner.passes) < 12
        assert max(seconds for _, seconds in inner.passes) > 2
        assert all(seconds / inner.parts <= MOST_S for _, seconds in inner.passes)

    def test_it_is_given_up_between_two_parts(self) -> None:
        inner, asked = PartedSteps(), 0
        decoder = Decoder(inner, 4096, clock=inner.clock)
        prompt, left = list(range(40)) * 5, threading.Event()

        def before() -> None:
            nonlocal asked
            asked += 1
            if asked == 4:
                left.set()

        inner.before = before
        assert list(decoder.decode(prompt, 240, GREEDY, should_stop=left.is_set)) == []
        assert inner.parts_done == [3]
        assert inner.passes == []
        left.clear()
        # No part of it counts as prefilled.
        assert next(decoder.decode(prompt, 240, GREEDY, should_stop=left.is_set)).id == 40
        assert decoder.prefilled_tokens >= len(prompt)

    def test_how_far_it_is_is_told_from_part_to_part(self) -> None:
        inner = PartedSteps()
        inner.before = lambda: time.sleep(2 * POLL_S)
        decoder = Decoder(inner, 4096, clock=inner.clock)
        told = [
            event
            for event in decoder.stream([7] * 120, 121, GREEDY)
            if isinstance(event, PrefillProgress)
        ]
        assert len(told) >= 5
        assert [one.tokens for one in told] == sorted(one.tokens for one in told)
        assert {one.total for one in told} == {120}

    def test_the_warm_up_runs_one_part_of_what_has_run_or_is_long(self) -> None:
        inner = PartedSteps()
        decoder = Decoder(inner, 512, clock=inner.clock)
        assert list(decoder.warm_up())[-1] == (programs(512), programs(512))
        whole = {(name, length, size) for name, length, _, size in inner.calls[:-1]}
        assert whole == {("prefill", 256, 32), ("decode", 256, 1), ("verify", 256, 8)}
        given_up = [done for done in inner.parts_done if done < inner.parts]
        assert given_up == [1] * (programs(512) - 4)


class TestPrefill:
    def test_no_pass_of_a_large_model_takes_longer_than_half_a_second(self) -> None:
        inner = SlowSteps()
        decoder = Decoder(inner, 4096, clock=inner.clock)
        assert len(list(decoder.decode([7] * 951, 960, GREEDY, drafts=False))) == 9
        sizes = [size for size, _ in inner.passes]
        assert sizes[0] == 8  # nothing is measured yet
        # One of 32 is tried, and found to take 0.74 s.
        assert sizes.count(32) == 1
        assert [size for size, seconds in inner.passes if seconds > 0.5] == [32]
        assert decoder.prefilled_tokens == sum(sizes)

    def test_passes_that_are_fast_grow(self) -> None:
        inner = SlowSteps()
        decoder = Decoder(inner, 4096, clock=lambda: inner.now_s / 100)
        next(decoder.decode([7] * 2000, 2100, GREEDY))
        sizes = [size for size, _ in inner.passes]
        assert sizes[:3] == [8, 512, 512]

    def test_a_small_model_is_planned_as_ever(self, scripted: Any) -> None:
        decoder, inner = scripted
        next(decoder.decode([7] * 1300, 2000, GREEDY))
        passes = [(offset, size) for name, _, offset, size in inner.calls if name != "decode"]
        assert passes == planning.chunks(0, 1300, 2048)

    def test_it_tells_how_far_it_is_beyond_what_was_kept(self, scripted: Any) -> None:
        decoder, inner = scripted
        next(decoder.decode([7] * 300, 2000, GREEDY))
        drain(decoder)
        inner.calls.clear()
        should_continue = threading.Semaphore(0)
        read = inner.prefill
        inner.prefill = lambda *given: should_continue.acquire(timeout=10) and read(*given)
        events = decoder.stream([7] * 300 + [20] * 1500, 2000, GREEDY)
        assert next(events) == PrefillProgress(0, 1500)
        should_continue.release()
        assert next(events) == PrefillProgress(512, 1500)
        should_continue.release()
        assert next(events) == PrefillProgress(1024, 1500)
        should_continue.release(9)
        rest = list(events)
        assert all(isinstance(event, TokenChoice) for event in rest)
        assert len(rest) == 200

    def test_one_pass_tells_nothing(self, scripted: Any) -> None:
        decoder, inner = scripted
        read = inner.prefill

        def slow(*given: Any) -> Any:
            time.sleep(3 * POLL_S)
            return read(*given)

        inner.prefill = slow
        assert all(isinstance(event, TokenChoice) for event in decoder.stream([7] * 32, 40, GREEDY))

    @pytest.mark.parametrize("closes", [False, True])
    def test_a_stop_does_not_wait_for_the_pass_under_way_and_none_follows(
        self, scripted: Any, closes: bool
    ) -> None:
        decoder, inner = scripted
        under_way, should_continue, stopped = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        read = inner.prefill

        def slow(*given: Any) -> Any:
            under_way.set()
            should_continue.wait(10)
            return read(*given)

        inner.prefill = slow
        events = decoder.stream([7] * 1500, 2000, GREEDY, should_stop=stopped.is_set)
        assert next(events) == PrefillProgress(0, 1500)
        assert under_way.wait(10)
        if closes:
            events.close()
        else:
            stopped.set()
            assert list(events) == []
        stopped.clear()  # a worker forgets a request that has ended
        assert inner.calls == []  # the pass is still in progress
        should_continue.set()
        assert next(decoder.decode([7] * 1500, 2000, GREEDY)).id == 8
        offsets = [call[2] for call in inner.calls if call[0] != "decode"]
        assert offsets[:2] == [0, 512]  # one pass of the first, and the second continues from it


class TestReuse:
    def test_only_what_is_new_is_read(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompt = list(range(40))
        next(decoder.decode(prompt, 64, GREEDY))
        drain(decoder)
        inner.calls.clear()
        assert next(decoder.decode([*prompt, 7], 64, GREEDY)).id == 8
        assert inner.calls[0] == ("verify", 256, 40, 8)

    def test_tokens_that_were_written_count_as_read(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompt = list(range(20))
        assert ids(decoder.decode(prompt, 30, GREEDY))[-1] == 29
        inner.calls.clear()
        next(decoder.decode([*prompt, *range(20, 29), 3], 64, GREEDY))
        assert inner.calls[0] == ("verify", 256, 29, 8)

    def test_a_draft_that_was_wrong_leaves_no_trace(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompt = [1, 2, 3, 4, 40, 41, 42, 43, 44, 45, 46, 1, 2, 3]
        assert ids(decoder.decode(prompt, 21, GREEDY)) == [4, 5, 6, 7, 8, 9, 10]
        assert decoder.prefix_cache.cached[-1].tokens == [*prompt, 4, 5, 6, 7, 8, 9]
        assert any(name == "verify" and offset >= 14 for name, _, offset, _ in inner.calls)

    def test_a_few_caches_are_kept_and_the_oldest_goes(self, scripted: Any) -> None:
        decoder, inner = scripted
        prompts = [[start, *range(start, start + 20)] for start in range(prefix_cache.MOST + 1)]
        for prompt in prompts:
            list(decoder.decode(prompt, len(prompt) + 1, GREEDY))
        assert inner.allocated == [256] * prefix_cache.MOST
        for index in (prefix_cache.MOST, 1):
            list(decoder.decode(prompts[index], 64, GREEDY))
            assert decoder.prefilled_tokens == 8
        list(decoder.decode(prompts[0], 64, GREEDY))
        assert decoder.prefilled_tokens > 8

    def test_large_caches_are_kept_one_at_a_time(
        self, scripted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decoder, inner = scripted
        monkeypatch.setattr(inner, "cache_bytes", lambda length: prefix_cache.MAX_BYTES)
        for start in range(3):
            list(decoder.decode([start, *range(start, start + 20)], 64, GREEDY))
        assert inner.allocated == [256]

    def test_those_of_all_lengths_together_take_no_more_than_one_for_the_whole_context(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inner = ScriptedSteps()
        decoder = Decoder(inner, 4096)
        monkeypatch.setattr(
            inner, "cache_bytes", lambda length: prefix_cache.MAX_BYTES * length // 1024
        )
        kept = []
        for length in (256, 512, 2048, 4096, 256, 512, 2048):
            list(decoder.decode([length % 50, *range(20)], length, GREEDY))
            kept.append([each.length for each in decoder.prefix_cache.cached])
        assert kept == [
            [256],
            [256, 512],
            [256, 512, 2048],
            [4096],
            [256],
            [256, 512],
            [256, 512, 2048],
        ]


COPYING = (*range(30), 49, *range(4))
"""Counts to 29, and begins again: what follows is a copy."""


class TestDrafts:
    def test_a_copy_takes_few_passes(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert ids(decoder.decode(COPYING, 60, GREEDY)) == list(range(4, 29))
        assert len(inner.calls) < 10

    def test_without_drafts_none_is_checked(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert ids(decoder.decode(COPYING, 60, GREEDY, drafts=False)) == list(range(4, 29))
        assert all(name == "decode" for name, *_ in inner.calls[2:])

    def test_a_draft_does_not_wait_for_the_program_that_would_check_it(self, scripted: Any) -> None:
        decoder, inner = scripted
        warming = decoder.warm_up()
        while next(warming)[0] < 2:
            pass
        for checked in (False, True):
            inner.calls.clear()
            assert ids(decoder.decode(COPYING, 60, GREEDY)) == list(range(4, 29))
            # A pass that checks a draft, not one of the prompt.
            found = any(name == "verify" and at > len(COPYING) for name, _, at, _ in inner.calls)
            assert found == checked
            list(warming)

    def test_a_sample_is_never_drafted(self, scripted: Any) -> None:
        decoder, inner = scripted
        list(decoder.decode(COPYING, 60, SAMPLED))
        assert not any(
            name == "verify" and offset >= len(COPYING) for name, _, offset, _ in inner.calls
        )

    def test_where_two_tokens_are_alike_the_step_decides(self, scripted: Any) -> None:
        decoder, inner = scripted
        inner.unsure = True
        assert ids(decoder.decode(COPYING, 60, GREEDY)) == list(range(4, 29))
        drafts = [
            index
            for index, (name, _, offset, _) in enumerate(inner.calls)
            if name == "verify" and offset >= len(COPYING)
        ]
        assert drafts
        for index in drafts:
            assert inner.calls[index + 1] == ("decode", 256, inner.calls[index][2], 1)

    def test_at_the_caches_end_tokens_are_written(self, scripted: Any) -> None:
        decoder, _ = scripted
        prompt = ([*range(30), 49] * 17)[:500]
        written = ids(decoder.decode(prompt, 512, GREEDY))
        assert len(written) == 12


class TestRefusals:
    @pytest.mark.parametrize(
        ("prompt", "max_length", "message"),
        [
            ([], 8, "at least one token.*Received: no tokens"),
            ([1], 4097, "at most the context, 4096.*Received: 4097"),
            ([1] * 9, 8, "fit in max_length, 8.*Received: 9 and 0 tokens"),
        ],
    )
    def test_a_request_that_cannot_run(
        self, scripted: Any, prompt: list[int], max_length: int, message: str
    ) -> None:
        decoder, _ = scripted
        with pytest.raises(ValueError, match=message):
            decoder.decode(prompt, max_length, GREEDY)

    def test_a_context_too_short_to_generate_in(self) -> None:
        with pytest.raises(ValueError, match="Received: 1"):
            Decoder(ScriptedSteps(), context_length=1)

    def test_an_unknown_backend(self) -> None:
        with pytest.raises(ValueError, match="Received: 'theano'"):
            steps.of_model("theano", model=None, precision=Precision("float32", "float32"))
