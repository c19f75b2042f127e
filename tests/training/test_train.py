"""A training run learns, saves its state, and resumes from it."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import torch

from training import train
from training.batches import Mixture
from training.model import Shape

SHAPE = Shape(vocabulary=64, layers=1, dim=32, heads=2, kv_heads=1, head_dim=16, feed_forward=32)
SECONDS = 1 / 3600


def run(folder: Path, seconds: float, **more) -> dict:
    ticks = (tick / 100 for tick in itertools.count())  # a step takes a hundredth of a second
    train.train(
        *(folder, seconds * SECONDS, 256, 0.02, 0.01, SHAPE),
        compiled=False,
        clock=lambda: next(ticks),
        **more,
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


def test_it_goes_through_the_turns_and_waits_for_one_that_is_not_packed(folder: Path) -> None:
    assert run(folder, 2.0, turns=3, this_run=1.0 * SECONDS)["turn"] == 0
    shutil.copytree(folder / "packed" / "0", folder / "packed" / "1")
    (folder / "packed" / "1" / "turn.json").write_text('{"repeats": true}')
    state = run(folder, 2.0, turns=3)
    assert (state["turn"], state["step"]) == (1, 206)
    taken = sum(state["taken"].values())
    assert 0 < taken < 206 * 0.6  # of this turn alone


def test_weights_decay_more_when_the_text_repeats(folder: Path) -> None:
    mixture = Mixture({"short": folder / "packed" / "0" / "short.npz"}, 256)
    taken = mixture.step(256, {"short": 1.0})
    sizes = {}
    for repeats in (False, True):
        torch.manual_seed(0)
        training = train.Training(SHAPE, 0.02, 0.01, compiled=False, decay=1.0)
        for _ in range(20):
            training.step(taken, 1.0, repeats)
        sizes[repeats] = [
            training.model.embedding.norm().item(),
            0.0,
        ]
    assert sizes[True][0] < 0.9 * sizes[False][0]


def test_a_teacher_is_learnt_from(folder: Path) -> None:
    run(folder, 1.0)
    teacher = folder / "teacher.pt"
    (folder / "checkpoint.pt").rename(teacher)
    mixture = Mixture({"short": folder / "packed" / "0" / "short.npz"}, 256)
    taken = mixture.step(256, {"short": 1.0})
    ids = torch.from_numpy(taken[0].ids)
    taught = train.Teacher(teacher, compiled=False)
    further = {}
    for given in (None, taught):
        torch.manual_seed(0)
        training = train.Training(SHAPE, 0.02, 0.01, compiled=False, teacher=given)
        for _ in range(15):
            training.step(taken, 1.0)
        soft = taught.targets(ids)
        logprobs = training.model.logits(ids).flatten(0, 1).log_softmax(-1).gather(1, soft.ids)
        further[given is None] = -(logprobs * soft.probabilities).sum(1).mean().item()
    assert further[False] < further[True]  # nearer to the teacher with it than without


def test_the_average_follows_the_weights_and_comes_back(folder: Path) -> None:
    state = run(folder, 1.0)
    assert state["averaged"] == state["step"] // 8
    average, last = state["average"]["embedding"], state["model"]["embedding"]
    assert 0 < float((average - last).norm()) < 0.5 * float(last.norm())
    again = train.Training(SHAPE, 0.02, 0.01, compiled=False)
    again.resume(state)
    assert torch.equal(again.average.weights["embedding"], average)


def test_the_rate_rises_stays_and_ends_at_zero() -> None:
    rates = [train.rate(share) for share in (0, 0.005, 0.1, 0.24, 0.7, 0.9, 1.0)]
    assert rates[0] < rates[1] < rates[2] == rates[3] == 1.0
    assert rates[3] > rates[4] > rates[5] > rates[6] == 0.0
