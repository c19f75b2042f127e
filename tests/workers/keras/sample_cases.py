"""Sampling cases shared by `sample_probe.py` and `test_sample.py`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Case = tuple[float, int, float, Any]
"""Temperature, top-k, top-p, and the number that decides, a float32."""

SETTINGS = list(itertools.product((1e-29, 0.5, 1.0, 2.0), (0, 1, 2, 50), (1.0, 0.9, 0.5, 0.0)))

NUMBERS = [0.0, 0.999999, *np.random.default_rng(1).random(5).tolist()]

LOGITS = {
    "few": np.log(np.array([0.0625, 0.25, 0.0626, 0.5, 0.1249], np.float32)) + 7,
    "skewed": np.random.default_rng(0).normal(0, 3, 8192).astype(np.float32),
    "flat": np.random.default_rng(2).normal(5, 0.01, 3000).astype(np.float32),
    "masked": np.array([-np.inf, 1.0, -np.inf, 1.1, -3.0], np.float32),
}


def cases() -> list[Case]:
    return [(*settings, np.float32(number)) for settings in SETTINGS for number in NUMBERS]
