"""Fixtures shared by tests of training."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from training import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a packed turn of samples that count upwards, with a middle: easy to learn."""
    turn = pack.turn_folder(tmp_path, 0)
    turn.mkdir(parents=True)
    (turn / "turn.json").write_text('{"repeats": false}')
    random = Random(0)
    for name in pack.NAMES:
        samples = []
        for _ in range(300):
            start, length = random.randint(8, 30), random.randint(10, 30)
            ids = [2, 4, *range(start, start + length)]
            samples.append((np.array(ids, np.uint16), length - 4))
        pack.save(turn / f"{name}.npz", samples, random)
    return tmp_path
