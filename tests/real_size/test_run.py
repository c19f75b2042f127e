"""A row of `make real-size` through the real page, with a Gemma of 20M parameters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.real_size import __main__ as real_size
from benchmarks.real_size.rows import KINDS, LLAMA_CPP, Kind
from benchmarks.speed import weights
from benchmarks.speed.weights import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "FOLDER", tmp_path_factory.mktemp("build"))
        yield weights.of_shape("20m", print)


def measured(figure: float | None) -> float:
    assert figure is not None
    return figure


def test_a_page_is_asked_everything(model: Model) -> None:
    got = real_size.run(model, Kind("jax", "int8"))
    assert not got.failed
    assert got.settled == "int8"
    assert 0.1 < measured(got.peak_gb) < 2
    assert measured(got.ready_s) > measured(got.first_short_s) > 0
    assert measured(got.first_long_s) > 0
    assert measured(got.tokens_per_s) > 1
    assert measured(got.stop_s) < 5


def test_what_a_backend_refuses_is_told_in_its_words(model: Model) -> None:
    got = real_size.run(model, Kind("jax", "int4"))
    assert got.failed.startswith("int4 needs torch on a CPU.")
    assert got.tokens_per_s is None


def test_llama_cpp_is_asked_the_same(model: Model) -> None:
    kind = next(one for one in KINDS if one.engine == LLAMA_CPP and one.dtype == "q8_0")
    got = real_size.run(model, kind)
    assert not got.failed
    assert measured(got.tokens_per_s) > 1
