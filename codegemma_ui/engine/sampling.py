"""From one position's logits, or from what the device chose by them, to one token.

Greedy choices are the device's. Samples are drawn here, in numpy, so that a seed gives the same on every
backend.

This file deals in logits and token ids. It knows nothing of text, stop tokens or the model. The order
is temperature, then top-k, then top-p, as in KerasHub's `TopPSampler`; what is reported beside the
token (its logprob, the alternatives) is always of the model's own distribution, before any of the three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from codegemma_ui.engine.steps import ALTERNATIVES, Picked

# How many of the largest logits top-p sorts at first. A trained model's nucleus rarely holds more; when
# it does, the next try sorts sixteen times as many.
FIRST_NUCLEUS = 64


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        temperature: divides the logits; 0 is greedy, and top-k, top-p and seed then have no effect.
        top_k: keep the `top_k` most likely tokens; 0 is off.
        top_p: keep the most likely tokens up to and with the one that carries their summed
            probability past `top_p`, in (0, 1]; 1 is off.
        seed: what the draws are repeatable from; None draws afresh each time.

    Raises:
        ValueError: a value outside its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(
                "temperature should be a number from 0 (greedy) up, for example 0.8. "
                f"Received: {self.temperature!r}"
            )
        if self.top_k < 0:
            raise ValueError(
                "top_k should be a count of tokens from 1 up, or 0 for off. "
                f"Received: {self.top_k!r}"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(
                "top_p should be above 0 and at most 1 (off), for example 0.95. "
                f"Received: {self.top_p!r}"
            )
        if self.seed is not None and self.seed < 0:
            raise ValueError(
                f"seed should be a whole number from 0 up, or None. Received: {self.seed!r}"
            )


@dataclass(frozen=True)
class Choice:
    """One chosen token, and how sure the model was.

    Args:
        id: the token.
        logprob: its natural-log probability under the model's own distribution (temperature 1, no
            top-k, no top-p).
        alternatives: the five most likely `(id, logprob)` under the same distribution, most likely
            first, equal ones by id. Sampling may choose a token that is not among them.
    """

    id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...]


def choices_of(picked: Picked) -> list[Choice]:
    """What the device chose, a choice a row.

    Raises:
        ValueError: a logprob is not finite.
    """
    ids, logprobs = picked.ids.tolist(), picked.logprobs.tolist()
    for row in logprobs:
        _check_finite(row[0])
    return [
        Choice(tokens[0], row[0], tuple(zip(tokens, row, strict=True)))
        for tokens, row in zip(ids, logprobs, strict=True)
    ]


def _check_finite(value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(
            "Logits should be finite: the forward pass overflowed. Load the model in bfloat16 or "
            f"float32. Received: {value}"
        )


class Sampler:
    """Chooses one token per call; holds the random state of one generation.

    Args:
        sampling: how to choose.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def __call__(self, logits: np.ndarray) -> Choice:
        """Choose the next token.

        Args:
            logits: float array of shape `(vocabulary_size,)`.

        Returns:
            The choice, with its logprob and the five most likely tokens.

        Raises:
            ValueError: the logits are not one row, or hold NaN or +inf.
        """
        logits = np.asarray(logits, dtype=np.float32)
        if logits.ndim != 1 or logits.size == 0:
            raise ValueError(
                "Logits should be of one position, shape (vocabulary_size,). "
                f"Received: shape {logits.shape}"
            )
        best = int(np.argmax(logits))  # NaN, if there is any, is what argmax finds
        _check_finite(float(logits[best]))
        total = _exp(logits - logits[best]).sum(dtype=np.float64)
        log_total = float(logits[best]) + math.log(total)
        top = largest(logits, ALTERNATIVES)
        chosen = best if self.sampling.temperature == 0 else self._draw(logits)
        return Choice(
            id=chosen,
            logprob=float(logits[chosen]) - log_total,
            alternatives=tuple((int(i), float(logits[i]) - log_total) for i in top),
        )

    def _draw(self, logits: np.ndarray) -> int:
        scaled = logits.astype(np.float64) / self.sampling.temperature
        weights = np.exp(scaled - scaled.max())  # (V,), the largest is 1

        # 1. top-k, most likely first.
        candidates: np.ndarray | None = None
        if 0 < self.sampling.top_k < weights.size:
            candidates = largest(logits, self.sampling.top_k)

        # 2. top-p of what top-k has left.
        if self.sampling.top_p < 1:
            candidates = _nucleus(logits, weights, candidates, self.sampling.top_p)

        # 3. One uniform number, found in the running sum.
        kept = weights if candidates is None else weights[candidates]
        running = np.cumsum(kept)
        index = int(np.searchsorted(running, self._random.random() * running[-1], side="right"))
        index = min(index, kept.size - 1)
        return index if candidates is None else int(candidates[index])


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """The indices of the `count` largest values, largest first, equal ones by index.

    One `np.partition` and a sort of what it leaves: at 256,000 values a full sort costs ten times that.

    Args:
        values: array of shape `(n,)`, no NaN.
        count: how many, from 1 up; more than there are gives all.

    Returns:
        Integer array of shape `(min(count, n),)`.
    """
    if count >= values.size:
        found = np.arange(values.size)
    else:
        threshold = np.partition(values, values.size - count)[values.size - count]
        found = np.flatnonzero(values >= threshold)
    # A stable sort of ascending indices keeps equal values in the order of their index.
    return found[np.argsort(-values[found], kind="stable")][:count]


def _nucleus(
    logits: np.ndarray, weights: np.ndarray, candidates: np.ndarray | None, top_p: float
) -> np.ndarray:
    """The most likely tokens up to and with the one whose running probability passes `top_p`."""
    if candidates is not None:
        running = np.cumsum(weights[candidates])
        return candidates[: int(np.count_nonzero(running <= top_p * running[-1])) + 1]

    goal = top_p * weights.sum()
    count = FIRST_NUCLEUS
    while True:
        candidates = largest(logits, count)
        running = np.cumsum(weights[candidates])
        if running[-1] > goal or candidates.size == weights.size:
            return candidates[: int(np.count_nonzero(running <= goal)) + 1]
        count *= 16


def _exp(values: np.ndarray) -> np.ndarray:
    # In float32, where numpy has vector instructions for it: 256,000 values in well under 1 ms.
    powers: np.ndarray = np.exp(values, dtype=np.float32)
    return powers
