"""Temperature, top-k and top-p sampling on the device, against plain numpy, on every backend.

Keras takes one backend per process, so each backend samples in its own (`sample_probe.py`).
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
from codegemma_ui.workers.keras.steps import BACKENDS
from tests.workers.keras.sample_cases import LOGITS, SETTINGS, Case, cases

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=BACKENDS)
def drawn(request: pytest.FixtureRequest) -> Any:
    """Return a backend's samples: (settings, numbers) ids, and their logprobs, for each of the logits."""
    if not machine.backend(request.param).installed:
        pytest.skip(f"{request.param} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": request.param, "TF_CPP_MIN_LOG_LEVEL": "2"}
    process = subprocess.run(
        [sys.executable, "-m", "tests.workers.keras.sample_probe", request.param],
        cwd=REPOSITORY,
        env={**environment, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", LOGITS)
def test_tokens_are_those_of_a_sort_and_a_running_sum(drawn: Any, name: str) -> None:
    differing = [
        (case, token)
        for case, (token, _) in zip(cases(), drawn[name], strict=True)
        if token not in within_rounding(LOGITS[name], case)
    ]
    assert differing == []


@pytest.mark.parametrize("name", LOGITS)
def test_the_logprob_is_the_models_own_whatever_was_asked(drawn: Any, name: str) -> None:
    exact = LOGITS[name].astype(np.float64)
    exact -= exact.max()
    exact -= np.log(np.exp(exact).sum())
    np.testing.assert_allclose(
        [logprob for _, logprob in drawn[name]],
        [exact[token] for token, _ in drawn[name]],
        atol=1e-4,
    )


def test_each_setting_leaves_its_mark() -> None:
    """The reference itself: a setting without an effect would test nothing."""
    logits = LOGITS["skewed"]
    kept = {
        settings: len({sorted_and_summed(logits, case) for case in cases() if case[:3] == settings})
        for settings in SETTINGS
    }
    assert kept[(1.0, 1, 1.0)] == 1
    assert kept[(1.0, 2, 1.0)] == 2
    assert kept[(1e-29, 0, 1.0)] == 1
    assert kept[(1.0, 0, 0.0)] == 1
    assert kept[(2.0, 0, 1.0)] > kept[(1.0, 0, 0.5)] > 1


def within_rounding(logits: np.ndarray, case: Case) -> set[int]:
    """Return the ids that float32 may draw: nearly equal sums may compare either way."""
    temperature, top_k, top_p, number = case
    return {
        sorted_and_summed(logits, (temperature, top_k, p, n))
        for p in ((top_p - 1e-6, top_p, top_p + 1e-6) if 0 < top_p < 1 else (top_p,))
        for n in (max(0.0, number - 1e-5), number, min(number + 1e-5, 1 - 1e-7))
    }


def sorted_and_summed(logits: np.ndarray, case: Case) -> int:
    """Draw once by a plain implementation, in float64."""
    temperature, top_k, top_p, number = case
    below = logits.astype(np.float64) - logits.max()
    weights = np.exp(below / temperature)
    kept = np.argsort(-below, kind="stable")[: top_k or None]
    running = np.cumsum(weights[kept])
    if top_p < 1:
        kept = kept[: int(np.count_nonzero(running <= top_p * running[-1])) + 1]
    kept = np.flatnonzero(
        below >= below[kept[-1]]
    )  # tokens exactly as likely as the last are kept too
    running = np.cumsum(weights[kept])
    return int(kept[np.searchsorted(running, number * running[-1], side="right")])
