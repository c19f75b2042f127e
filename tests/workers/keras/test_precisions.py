"""Random models in every precision, also with Gemma 2's features, match KerasHub's log-probabilities."""

from __future__ import annotations

from typing import Any

import pytest

from codegemma_ui.workers.keras import steps
from tests.workers.keras import decoding
from tests.workers.keras.decode_prompts import LARGE_DTYPES
from tests.workers.keras.decoding import FLOAT32_TOLERANCE

BFLOAT16_TOLERANCE = 0.1  # 8 bits of mantissa


@pytest.fixture(scope="module", params=steps.BACKENDS)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return decoding.report(request.param, "precisions", tmp_path_factory.mktemp("modules"))


def test_cached_passes_agree_with_full_ones_across_chunks(report: Any) -> None:
    tiny = report["float32"]
    assert set(tiny["errors"]) == {"5", "33", "511", "512", "513", "700"}
    assert max(tiny["errors"].values()) < FLOAT32_TOLERANCE
    assert tiny["spread"] > 0.5  # the logits are not all equal


def test_the_cache_is_of_the_models_compute_dtype(report: Any) -> None:
    assert report["float32"]["cache_dtype"] == "float32"
    assert report["bfloat16"]["cache_dtype"] == "bfloat16"
    assert report["bfloat16"]["cache_shape"] == [4, 512, 8]
    assert max(report["bfloat16"]["errors"].values()) < BFLOAT16_TOLERANCE


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
def test_narrow_weights_are_computed_with_in_full(report: Any, dtype: str) -> None:
    narrow = report["narrow"][dtype]
    assert max(narrow["errors"].values()) < FLOAT32_TOLERANCE
    assert narrow["cache_dtype"] == "float32"
    assert narrow["spread"] > 0.5
    assert narrow["note"] is None


def test_large_matrices_are_multiplied_in_blocks(report: Any) -> None:
    assert tuple(report["large"]) == LARGE_DTYPES
    for dtype, large in report["large"].items():
        # torch computes a prefill's rows in bfloat16 where that is faster.
        rounds = report["backend"] == "torch" and dtype != "float32"
        tolerance = BFLOAT16_TOLERANCE if rounds else FLOAT32_TOLERANCE
        assert max(large["errors"].values()) < tolerance, dtype
        assert large["spread"] > 0.5
        assert large["note"] is None
        if report["backend"] == "torch":
            assert large["compiled"] == 1  # a layer, for one token


def test_a_layer_at_a_time_gives_what_all_at_once_gives(report: Any) -> None:
    layered = report["layered"]
    assert layered["parts"] == [1, 2]
    at_once, one_by_one = layered["tokens"]
    assert len(at_once) > 60
    assert one_by_one == at_once


def test_bfloat16_writes_what_generate_writes_in_float32(report: Any) -> None:
    rounded = report["rounded"]
    at_once, one_by_one = rounded["apart"]
    assert len(at_once) == len(one_by_one) == 20
    assert rounded["tokens"] > 300
    assert max(at_once) <= 0.05
    # For a large model, torch may compute a prefill's rows in bfloat16.
    assert max(one_by_one) <= (0.2 if report["backend"] == "torch" else 0.05)


def test_a_cache_serves_in_which_a_pass_was_given_up(report: Any) -> None:
    given_up = report["layered"]["given_up"]
    assert given_up["looks"] == [0, 1]
    assert given_up["again"] == given_up["anew"]


def test_int4_loses_less_than_even_steps_and_multiplies_what_it_keeps(report: Any) -> None:
    if report["backend"] == "torch":
        # Rounding to even steps over a group's range loses 0.289 of one (1 / sqrt(12)), root mean square.
        assert 0.2 < report["int4"]["kept_error"] < 0.275
        assert report["int4"]["product_error"] < 0.02
        assert (
            report["int4"]["bytes"] == 192 * 128 * 5 / 8
        )  # a bit of scale and zero point a weight


def test_what_gemma_2_has_more_is_done_as_kerashub_does_it(report: Any) -> None:
    assert max(report["gemma2"]["errors"].values()) < FLOAT32_TOLERANCE
    assert report["gemma2"]["cache_shape"] == [512, 8]  # one key head: no axis for it


def test_what_torch_compiles_in_half_width_gives_the_same(report: Any) -> None:
    if report["backend"] == "torch":
        assert report["bfloat16"]["compiled"] == 3  # prefills 32, verifies 8, decodes
        assert report["bfloat16"]["note"] is None


def test_torch_says_so_when_it_cannot_compile(report: Any) -> None:
    if report["backend"] == "torch":
        assert "no C++ compiler found" in report["float32"]["note"]
    else:
        assert report["float32"]["note"] is None
