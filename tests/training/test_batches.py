"""Batches contain every sample once per epoch, with little padding, in the proportions of the mixture."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from training import batches, pack
from training.batches import FIRST_WEIGHT, MIDDLE_WEIGHT, Batch, Mixture, Packed


def rows(batch: Batch) -> list[list[int]]:
    """Return the samples in a batch, without padding; the last token comes from the targets."""
    found = []
    for ids, targets in zip(batch.ids.tolist(), batch.targets.tolist(), strict=True):
        length = len(ids) - ids[::-1].index(next(i for i in reversed(ids) if i))
        found.append([*ids[:length], targets[length - 1]])
    return found


def test_every_sample_comes_once_before_any_comes_again(folder: Path) -> None:
    path = folder / "packed" / "0" / "snippets.npz"
    with np.load(path) as arrays:
        samples = [
            arrays["ids"][start:end].tolist() for start, end in itertools.pairwise(arrays["starts"])
        ]
    packed = Packed(path, 256)
    seen: list[list[int]] = []
    while len(seen) < len(samples):
        batch = packed.batch()
        assert batch.ids.size <= 256
        seen += rows(batch)
    assert sorted(seen) == sorted(samples)


def test_samples_of_a_batch_are_of_about_one_length(folder: Path) -> None:
    packed = Packed(folder / "packed" / "0" / "snippets.npz", 256)
    spreads = []
    for batch in (packed.batch() for _ in range(30)):
        lengths = [len(row) - 1 for row in rows(batch)]
        assert batch.ids.shape[1] == batches.rounded(max(lengths))
        spreads.append(max(lengths) - min(lengths))
    assert sum(spreads) / len(spreads) < 3  # of lengths from 12 to 32


def test_batches_have_few_lengths_and_little_padding() -> None:
    lengths = [batches.rounded(length) for length in range(1, 1024)]
    assert len(set(lengths)) < 40
    assert max(lengths) == 1024
    for length, padded in zip(range(1, 1024), lengths, strict=True):
        assert 0 <= padded - length < max(16, length / 8)


def test_padding_counts_nothing_and_middles_count_more(folder: Path) -> None:
    packed = Packed(folder / "packed" / "0" / "snippets.npz", 256)
    for batch in (packed.batch() for _ in range(30)):
        assert (batch.weights[batch.ids == 0] == 0).all()
        assert (batch.weights[batch.targets == 4] == 0).all()  # the end of a side is noise
        for weights in batch.weights:
            (middle,) = np.flatnonzero(weights == FIRST_WEIGHT)
            assert (weights[1:middle] == 1).all()
            assert (weights[middle + 1 : middle + 3] == MIDDLE_WEIGHT).all()


def test_a_mixture_gives_files_by_their_shares_and_goes_on_where_it_was(folder: Path) -> None:
    shares = {"snippets": 0.8, "windows": 0.2}
    files = {name: folder / "packed" / "0" / f"{name}.npz" for name in shares}
    mixture = Mixture(files, 256)
    for _ in range(40):
        assert sum(batch.ids.size for batch in mixture.step(1024, shares)) >= 0.9 * 1024
    assert mixture.taken["snippets"] > 2.5 * mixture.taken["windows"] > 0
    other = Mixture(files, 256)
    other.skip(mixture.taken)
    assert other.taken == mixture.taken
    for one, two in zip(mixture.step(1024, shares), other.step(1024, shares), strict=True):
        assert (one.ids == two.ids).all()


def test_the_mixture_goes_from_short_samples_to_windows() -> None:
    names = [*pack.NAMES, "grammar"]
    for progress in (0.0, 0.5, 1.0):
        assert sum(batches.shares(progress, names).values()) == pytest.approx(1)
        assert min(batches.shares(progress, names).values()) >= 0
    first, last = batches.shares(0.0, names), batches.shares(1.0, names)
    assert first["short"] > first["windows"]
    assert last["short"] < last["windows"]
