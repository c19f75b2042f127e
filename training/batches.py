"""Batches of a training step: samples of similar length, in a mixture that changes over time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MIDDLE_WEIGHT = 6.0
"""Weight of a middle's tokens: they are few, and the purpose of the model."""

FIRST_WEIGHT = 12.0
"""Weight of a middle's first token: in PSM it follows the suffix, and depends on the text before that."""

CONTROL_IDS = (4, 5, 6)  # a cut can fall anywhere: where a side ends is noise


@dataclass(frozen=True)
class Batch:
    """Samples of similar length, padded at the end; all arrays are samples x length.

    Attributes:
        ids: the model's input.
        targets: the token that follows each id.
        weights: weight of each target; 0 for padding and for control tokens.
    """

    ids: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def rounded(length: int) -> int:
    """Return the padded length of a batch, one of few, because a CPU compiles its products for each."""
    step = max(16, 1 << max(0, length.bit_length() - 4))
    return -(-length // step) * step


class Packed:
    """Batches of one packed file, repeated endlessly.

    Samples of similar length are grouped: a block of the shuffled file is sorted, cut into batches, and the
    batches are shuffled.

    Args:
        path: file written by `pack`.
        tokens: maximum of a batch, including padding, unless a single sample has more.
    """

    BLOCK = 4096

    def __init__(self, path: Path, tokens: int) -> None:
        with np.load(path) as arrays:
            self._ids, self._starts = arrays["ids"], arrays["starts"]
            self._middles = arrays["middles"]
        self._lengths = np.diff(self._starts) - 1  # the last token is only a target
        self._tokens = tokens
        self._plans = self._endless()

    def _endless(self) -> Iterator[np.ndarray]:
        for turn in itertools.count():
            generator = np.random.default_rng(turn)
            for start in range(0, len(self._lengths), self.BLOCK):
                block = np.arange(start, min(start + self.BLOCK, len(self._lengths)))
                order = block[np.argsort(self._lengths[block], kind="stable")]
                plans = []
                while len(order):
                    # From the long end, so that a batch's first sample determines its length.
                    count = max(1, self._tokens // rounded(int(self._lengths[order[-1]])))
                    plans.append(order[-count:][::-1])
                    order = order[:-count]
                generator.shuffle(plans)
                yield from plans

    def skip(self, batches: int) -> None:
        """Skip the first few batches, for example after a restart."""
        for _ in itertools.islice(self._plans, batches):
            pass

    def batch(self) -> Batch:
        """Return the next batch."""
        plan = next(self._plans)
        shape = len(plan), rounded(int(self._lengths[plan[0]]))
        ids, targets = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        weights = np.zeros(shape, np.float32)
        for row, sample in enumerate(plan):
            text = self._ids[self._starts[sample] : self._starts[sample + 1]]
            middle, length = self._middles[sample] - 1, len(text) - 1
            ids[row, :length], targets[row, :length] = text[:-1], text[1:]
            weights[row, :length] = 1
            weights[row, middle:length] = MIDDLE_WEIGHT
            weights[row, middle : min(middle + 1, length)] = FIRST_WEIGHT
        weights[np.isin(targets, CONTROL_IDS)] = 0
        return Batch(ids, targets, weights)


class Mixture:
    """A stream of steps from several packed files.

    Args:
        files: packed files, by name.
        tokens: tokens of a batch.

    Attributes:
        taken: batches taken from each file so far; part of a checkpoint.
    """

    def __init__(self, files: Mapping[str, Path], tokens: int) -> None:
        self._files = {name: Packed(path, tokens) for name, path in files.items()}
        self.taken = dict.fromkeys(files, 0)

    def skip(self, taken: dict[str, int]) -> None:
        """Continue from a checkpoint."""
        for name, batches in taken.items():
            self._files[name].skip(batches)
            self.taken[name] += batches

    def step(self, tokens: int, shares: dict[str, float]) -> list[Batch]:
        """Return batches of at least `tokens` tokens together, each from a file sampled by its share."""
        generator = np.random.default_rng(sum(self.taken.values()))
        batches: list[Batch] = []
        while sum(batch.ids.size for batch in batches) < 0.9 * tokens:
            (name,) = generator.choice(list(shares), 1, p=list(shares.values()))
            batches.append(self._files[name].batch())
            self.taken[name] += 1
        return batches


def shares(progress: float, names: Iterable[str]) -> dict[str, float]:
    """Return the mixture at a point of the training: short samples first, windows of whole files later."""
    mixture = {
        "snippets": 0.2 - 0.1 * progress,
        "twins": 0.12,
        "windows": 0.2 + 0.55 * progress,
        "grammar": 0.06,
    }
    mixture["short"] = max(0.0, 1 - sum(mixture.values()))
    present = {name: mixture[name] for name in names}
    total = sum(present.values())
    return {name: share / total for name, share in present.items()}
