"""The decode loop gives KerasHub's own tokens on every backend, and compiles nothing once warm.

The bundled preset runs for real, in one process per backend (`decode_probe.py`), since Keras takes one
backend per process. What needs no model runs against scripted steps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegemma_ui import machine
from codegemma_ui.engine import steps
from codegemma_ui.engine.decode import (
    CACHE_LENGTHS,
    CHUNKS,
    Decoder,
    cache_lengths,
    prefill_plan,
)
from codegemma_ui.engine.sampling import Sampling

REPOSITORY = Path(__file__).parents[2]
GREEDY = Sampling()

# Two passes that add up the same numbers in another order, through two to six layers.
FLOAT32_TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 0.1  # 8 bits of mantissa


@pytest.fixture(scope="module", params=steps.BACKENDS)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    backend = request.param
    if not machine.backend(backend).installed:
        pytest.skip(f"{backend} is not installed")
    dumps = tmp_path_factory.mktemp(f"{backend}-modules")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": f"--xla_dump_to={dumps} --xla_dump_hlo_as_proto",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    process = subprocess.run(
        [sys.executable, "-m", "tests.engine.decode_probe", backend, str(dumps)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return {"backend": backend, **json.loads(process.stdout.splitlines()[-1])}


class TestOnEveryBackend:
    def test_greedy_tokens_are_those_of_generate(self, report: Any) -> None:
        assert len(report["greedy"]) >= 30
        differing = [case for case in report["greedy"] if case["ours"] != case["theirs"]]
        assert differing == []

    def test_the_prompts_cover_every_edge_and_more_than_one_token(self, report: Any) -> None:
        lengths = {case["prompt_length"] for case in report["greedy"]}
        assert {31, 32, 33, 127, 128, 129, 160, 161, 498, 511} <= lengths
        assert {case["max_length"] for case in report["greedy"]} == {64, 192, 512}
        assert sum(len(case["ours"]) for case in report["greedy"]) > 200

    def test_nothing_compiles_once_warm(self, report: Any) -> None:
        warm, after = report["compilations"]["warm"], report["compilations"]["after"]
        assert after == warm
        counts, shapes = warm
        assert shapes == sorted([size, 512] for size in (1, *CHUNKS))
        if report["backend"] == "torch":
            assert counts["graphs"] == 1  # only the step is compiled
        else:
            assert counts["modules"] >= 4  # or the dump is not where it is looked for
            assert counts.get("jit", counts.get("traces")) == 4

    def test_warm_up_tells_how_far_it_is(self, report: Any) -> None:
        assert report["progress"] == [[done, 4] for done in range(5)]

    def test_closing_half_way_leaves_the_next_decode_exact(self, report: Any) -> None:
        assert len(report["interrupted"]["before"]) == 40
        assert report["interrupted"]["after"] == report["interrupted"]["before"]

    def test_a_layer_has_keys_and_values_by_head(self, report: Any) -> None:
        assert report["cache_shapes"] == [[[4, 512, 64], [4, 512, 64]]] * 6

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
            ours, theirs = case["logprob"]
            assert ours == pytest.approx(theirs, abs=FLOAT32_TOLERANCE)

    def test_cached_passes_agree_with_full_ones_across_chunks(self, report: Any) -> None:
        tiny = report["float32"]
        assert set(tiny["errors"]) == {"5", "33", "511", "512", "513", "700"}
        assert max(tiny["errors"].values()) < FLOAT32_TOLERANCE
        assert tiny["spread"] > 0.5  # the logits are not all alike
        assert [512, 1536] in tiny["shapes"]
        assert [32, 1536] in tiny["shapes"]

    def test_the_cache_is_of_the_models_compute_dtype(self, report: Any) -> None:
        assert report["float32"]["cache_dtype"] == "float32"
        assert report["bfloat16"]["cache_dtype"] == "bfloat16"
        assert report["bfloat16"]["cache_shape"] == [2, 512, 8]
        assert max(report["bfloat16"]["errors"].values()) < BFLOAT16_TOLERANCE

    def test_what_gemma_2_has_more_is_done_as_kerashub_does_it(self, report: Any) -> None:
        assert max(report["gemma2"]["errors"].values()) < FLOAT32_TOLERANCE
        assert report["gemma2"]["cache_shape"] == [512, 8]  # one key head: no axis for it

    def test_steps_may_take_a_models_weights(self, report: Any) -> None:
        taken = report["taken"]
        assert len(taken["kept"]) > 3
        assert taken["taken"] == taken["kept"]
        assert taken["left"] == 0

    def test_torch_says_so_when_it_cannot_compile(self, report: Any) -> None:
        if report["backend"] == "torch":
            assert "no C++ compiler found" in report["float32"]["note"]
        else:
            assert report["note"] is None


class ScriptedSteps:
    """Steps that count in ids: after token t comes t + 1. Keeps every call it got."""

    note = None
    vocabulary_size = 50

    def __init__(self) -> None:
        self.allocated: list[int] = []
        self.calls: list[tuple[int, int, int, int]] = []  # (length, offset, size, last)
        self.fails = False

    def allocate(self, length: int) -> dict[str, Any]:
        self.allocated.append(length)
        return {"length": length}

    def forward(
        self, cache: dict[str, Any], token_ids: np.ndarray, offset: int, last: int
    ) -> tuple[dict[str, Any], np.ndarray]:
        if self.fails:
            raise KeyboardInterrupt
        self.calls.append((cache["length"], offset, token_ids.shape[1], last))
        logits = np.zeros(self.vocabulary_size, np.float32)
        logits[(token_ids[0, last] + 1) % self.vocabulary_size] = 9.0
        return cache, logits


@pytest.fixture
def scripted() -> tuple[Decoder, ScriptedSteps]:
    inner = ScriptedSteps()
    return Decoder(inner, context_length=4096), inner


class TestTheLoop:
    def test_it_ends_where_prompt_and_tokens_make_max_length(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert [choice.id for choice in decoder.decode([1, 2, 3], 8, GREEDY)] == [4, 5, 6, 7, 8]
        assert inner.calls == [(512, 0, 32, 2), *((512, at, 1, 0) for at in range(3, 7))]

    def test_the_first_token_comes_before_the_next_step(self, scripted: Any) -> None:
        decoder, inner = scripted
        next(decoder.decode([1], 8, GREEDY))
        assert inner.calls == [(512, 0, 32, 0)]

    def test_nothing_runs_before_the_first_token_is_asked_for(self, scripted: Any) -> None:
        decoder, inner = scripted
        decoder.decode([1], 8, GREEDY)
        assert inner.calls == []

    def test_a_prompt_that_fills_max_length_yields_nothing(self, scripted: Any) -> None:
        decoder, inner = scripted
        assert list(decoder.decode([1, 2], 2, GREEDY)) == []
        assert inner.calls == []

    def test_a_long_prompt_is_read_in_chunks(self, scripted: Any) -> None:
        decoder, inner = scripted
        next(decoder.decode([1] * 1100, 1200, GREEDY))
        assert inner.calls == [(2048, 0, 512, 511), (2048, 512, 512, 511), (2048, 1024, 128, 75)]

    def test_the_cache_is_chosen_by_max_length(self, scripted: Any) -> None:
        decoder, inner = scripted
        for max_length in (2, 512, 513, 2048, 2049, 4096, 100):
            next(decoder.decode([1], max_length, GREEDY))
        assert inner.allocated == [512, 2048, 4096]
        assert decoder.compiled_shapes == {(32, 512), (32, 2048), (32, 4096)}

    def test_an_older_iterator_ends_when_a_newer_one_begins(self, scripted: Any) -> None:
        decoder, _ = scripted
        older = decoder.decode([1], 8, GREEDY)
        next(older)
        decoder.decode([2], 8, GREEDY)
        with pytest.raises(RuntimeError, match="newer decode"):
            next(older)

    def test_a_pass_that_fails_gives_its_cache_up(self, scripted: Any) -> None:
        decoder, inner = scripted
        next(decoder.decode([1], 8, GREEDY))
        inner.fails = True
        with pytest.raises(KeyboardInterrupt):
            next(decoder.decode([1], 8, GREEDY))
        inner.fails = False
        assert next(decoder.decode([4], 8, GREEDY)).id == 5
        assert inner.allocated == [512, 512]


class TestThePlan:
    def test_no_chunk_passes_the_end_of_a_cache_that_holds_the_prompt(self) -> None:
        for length in cache_lengths(8192):
            for prompt_length in range(1, length + 1):
                offset, size = prefill_plan(prompt_length)[-1]
                assert prompt_length <= offset + size <= length
                assert offset % CHUNKS[-1] == 0

    @pytest.mark.parametrize(
        ("prompt_length", "plan"),
        [
            (1, [(0, 32)]),
            (32, [(0, 32)]),
            (33, [(0, 128)]),
            (129, [(0, 512)]),
            (512, [(0, 512)]),
            (513, [(0, 512), (512, 32)]),
            (1024, [(0, 512), (512, 512)]),
        ],
    )
    def test_whole_chunks_then_the_shortest_that_holds_the_rest(
        self, prompt_length: int, plan: list[tuple[int, int]]
    ) -> None:
        assert prefill_plan(prompt_length) == plan

    @pytest.mark.parametrize(
        ("context", "lengths"),
        [
            (100, (512,)),
            (512, (512,)),
            (513, (512, 1024)),
            (2048, (512, 2048)),
            (5000, (512, 2048, 5120)),
            (8192, (512, 2048, 8192)),
            (10000, (512, 2048, 8192, 10240)),
        ],
    )
    def test_a_context_is_rounded_up_to_whole_chunks(
        self, context: int, lengths: tuple[int, ...]
    ) -> None:
        assert cache_lengths(context) == lengths

    def test_the_lengths_are_whole_chunks(self) -> None:
        assert all(length % CHUNKS[-1] == 0 for length in CACHE_LENGTHS)

    def test_a_chunk_past_the_end_is_refused(self, scripted: Any) -> None:
        decoder, inner = scripted
        with pytest.raises(ValueError, match=r"within the cache, 512 .* 32 positions from 500"):
            decoder._forward([1], 32, offset=500, length=512)
        assert inner.calls == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("prompt", "max_length", "message"),
        [
            ([], 8, "at least one token.*Received: no tokens"),
            ([1], 4097, "at most the context, 4096.*Received: 4097"),
            ([1] * 9, 8, "fit in max_length, 8.*Received: 9 tokens"),
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
            steps.create("theano", model=None)
