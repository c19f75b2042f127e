"""A training run learns, keeps its state, and goes on from it."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from training import pack, train
from training.model import Shape
from training.train import FIRST_WEIGHT, MIDDLE_WEIGHT, Mixture

SHAPE = Shape(vocabulary=64, layers=1, dim=32, heads=2, kv_heads=1, head_dim=16, feed_forward=32)
SECONDS = 1 / 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Samples that count upwards, with a middle: easy to learn."""
    (tmp_path / "packed").mkdir()
    random = Random(0)
    for name in pack.NAMES:
        samples = []
        for _ in range(300):
            start, length = random.randint(8, 30), random.randint(10, 30)
            ids = [2, 4, *range(start, start + length)]
            samples.append((np.array(ids, np.uint16), length - 4))
        pack.save(tmp_path / "packed" / f"{name}.npz", samples, random)
    return tmp_path


def run(folder: Path, seconds: float) -> dict:
    ticks = (tick / 100 for tick in itertools.count())  # a step takes a hundredth of a second
    train.train(
        *(folder, seconds * SECONDS, 256, 0.02, 0.01, SHAPE),
        compiled=False,
        clock=lambda: next(ticks),
    )
    return torch.load(folder / "checkpoint.pt")


def test_it_learns_and_goes_on_where_it_stopped(folder: Path) -> None:
    first = run(folder, 1.0)
    assert first["step"] == 103  # the first three are compilation
    assert first["tokens"] == first["step"] * 256
    second = run(folder, 2.0)
    assert second["step"] == 206
    assert second["seconds"] >= 2.0
    assert second["taken"]["snippets"] > first["taken"]["snippets"]
    rows = [line.split("\t") for line in (folder / "loss.tsv").read_text().splitlines()]
    losses = [float(row[3]) for row in rows]
    assert losses[-1] < 0.5 * losses[0]
    assert [int(row[0]) for row in rows] == sorted({int(row[0]) for row in rows})


def test_a_run_whose_time_is_spent_changes_nothing(folder: Path) -> None:
    first = run(folder, 0.5)
    again = run(folder, 0.5)
    assert again["step"] == first["step"]


def test_a_step_has_exactly_its_tokens_and_middles_count_more(folder: Path) -> None:
    mixture = Mixture(folder / "packed", ["snippets", "windows"])
    for _ in range(5):
        ids, targets, weights, lengths = mixture.step(500, {"snippets": 0.5, "windows": 0.5})
        assert len(ids) == len(targets) == len(weights) == sum(lengths) == 500
        assert set(np.unique(weights)) == {0.0, 1.0, MIDDLE_WEIGHT, FIRST_WEIGHT}
        assert (weights[targets == 4] == 0).all()  # where a side ends is noise
        starts = np.cumsum([0, *lengths[:-1]])
        assert (ids[starts] == 2).all()
        inside = np.setdiff1d(np.arange(499), starts[1:] - 1)
        assert (ids[inside + 1] == targets[inside]).all()


def test_the_rate_rises_stays_and_ends_at_zero() -> None:
    rates = [train.rate(share) for share in (0, 0.005, 0.2, 0.44, 0.7, 0.9, 1.0)]
    assert rates[0] < rates[1] < rates[2] == rates[3] == 1.0
    assert rates[3] > rates[4] > rates[5] > rates[6] == 0.0
