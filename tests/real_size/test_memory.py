"""What is told before a model is loaded is what it takes, within 15%: a Gemma of 40M parameters with CodeGemma's
vocabulary, on every backend in every precision, through the real page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.real_size import page
from codegemma_ui import machine, memory
from codegemma_ui.bench import weights
from codegemma_ui.bench.weights import Model

TOLD = 0.15


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "FOLDER", tmp_path_factory.mktemp("build"))
        yield weights.of_shape("40m", print)


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [(backend, dtype) for backend in machine.BACKENDS for dtype in memory.precisions(backend)],
)
def test_the_peak_is_what_was_told(model: Model, backend: str, dtype: str) -> None:
    told = memory.needed(model.preset, backend, dtype)
    with page.serving(page.command(model.folder, backend, dtype), model.folder) as served:
        served.wait_until_ready()
        served.complete(22, 20)
        served.wait_until_warm()
        peak = served.peak_bytes()
    assert told * (1 - TOLD) < peak < told * (1 + TOLD)
