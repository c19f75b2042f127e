"""A training run learns, saves its state, and resumes from it."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch

from training import train
from training.model import Shape

SHAPE = Shape(vocabulary=64, layers=1, dim=32, heads=2, kv_heads=1, head_dim=16, feed_forward=32)
SECONDS = 1 / 3600


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
    assert 0.6 * 256 < first["tokens"] / first["step"] < 1.2 * 256
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


def test_the_rate_rises_stays_and_ends_at_zero() -> None:
    rates = [train.rate(share) for share in (0, 0.005, 0.1, 0.24, 0.7, 0.9, 1.0)]
    assert rates[0] < rates[1] < rates[2] == rates[3] == 1.0
    assert rates[3] > rates[4] > rates[5] > rates[6] == 0.0
