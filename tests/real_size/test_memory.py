"""The estimate before a load is within 15% of the memory used: a Gemma of 40M parameters with CodeGemma's
vocabulary, on every backend in every precision."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.real_size import processes
from benchmarks.speed import weights
from benchmarks.speed.weights import Model
from codegemma_ui import Playground, machine
from codegemma_ui.presets import memory

WITHIN = 0.15


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "FOLDER", tmp_path_factory.mktemp("models"))
        return weights.of_shape("40m", print)


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [(backend, dtype) for backend in machine.BACKENDS for dtype in memory.precisions(backend)],
)
def test_the_peak_is_what_was_told(
    model: Model, backend: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # a first start: every program is compiled
    told = memory.needed(model.preset, backend, dtype)
    assert told is not None
    with Playground(model.folder, backend=backend, dtype=dtype) as playground:
        playground.complete("value = 1\n" * 400, max_length=1600)
        while playground.status().warm != 1:  # torch compiles for a minute, in the background
            time.sleep(0.2)
        peak = processes.peak_bytes(processes.worker_of(psutil.Process(os.getpid())))
    assert told * (1 - WITHIN) < peak < told * (1 + WITHIN)
