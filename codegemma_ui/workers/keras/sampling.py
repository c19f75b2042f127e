"""Sampling parameters and chosen tokens: the host's side of `steps/sample.py`.

This module deals in numbers and token ids. It knows nothing of text, stop tokens or the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from codegemma_ui.workers.keras.steps import BURST, SamplingParams, TokenBatch

MIN_TEMPERATURE = 1e-30
"""Temperatures up to this are treated as 0, since float32 would divide by zero."""


@dataclass(frozen=True)
class Sampling:
    """Sampling settings of a request.

    Args:
        temperature: divisor of the logits; 0 is greedy and disables top-k, top-p and seed.
        top_k: keep the `top_k` most likely tokens; 0 is off.
        top_p: keep the most likely tokens up to and including the one that brings their summed probability
            above `top_p`; 0 keeps the first only, 1 is off.
        seed: makes sampling repeatable; None samples differently each time.

    Raises:
        ValueError: a value is out of range.
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
        if not 0 <= self.top_p <= 1:
            raise ValueError(
                "top_p should be a number from 0 to 1 (off), for example 0.95. "
                f"Received: {self.top_p!r}"
            )
        if self.seed is not None and self.seed < 0:
            raise ValueError(
                f"seed should be a whole number from 0 up, or None. Received: {self.seed!r}"
            )


@dataclass(frozen=True)
class TokenChoice:
    """One chosen token and its probabilities.

    Args:
        id: token id.
        logprob: natural-log probability under the model's own distribution (temperature 1, no top-k, no
            top-p).
        alternatives: the five most likely `(id, logprob)` under the same distribution, most likely first,
            ties by id. Sampling may choose a token that is not among them.
        stop_logprob: natural log of the probability of any stop token at this position; -inf if there are
            no stop tokens.
    """

    id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...]
    stop_logprob: float = -math.inf


def choices_of(picked: TokenBatch) -> list[TokenChoice]:
    """Convert the device's output to one `TokenChoice` per row.

    Raises:
        ValueError: a logprob is not finite.
    """
    choices = []
    for ids, logprobs in zip(picked.ids.tolist(), picked.logprobs.tolist(), strict=True):
        if not math.isfinite(logprobs[0]):
            raise ValueError(
                "Logits should be finite: the forward pass overflowed. Load the model in bfloat16 or "
                f"float32. Received: {logprobs[0]}"
            )
        *likeliest, stop = logprobs[1:]
        choices.append(
            TokenChoice(ids[0], logprobs[0], tuple(zip(ids[1:], likeliest, strict=True)), stop)
        )
    return choices


class Sampler:
    """Sampling parameters for each token of one generation.

    The seed determines one random number per token in advance, so the result depends neither on how many
    tokens a pass yields nor on the backend.

    Args:
        sampling: the request's settings.
        count: maximum number of tokens.
    """

    def __init__(self, sampling: Sampling, count: int) -> None:
        self._temperature = np.float32(
            sampling.temperature if sampling.temperature > MIN_TEMPERATURE else 0
        )
        self._top_k = np.int32(min(sampling.top_k, np.iinfo(np.int32).max))
        self._top_p = np.float32(sampling.top_p)
        self._numbers = np.zeros(count + BURST, np.float32)
        if self._temperature > 0:
            random = np.random.default_rng(sampling.seed)
            self._numbers[:count] = random.random(count, np.float32)

    def at(self, made: int) -> SamplingParams:
        """Return the parameters for the next `BURST` tokens after the first `made`."""
        numbers = self._numbers[made : made + BURST]
        return SamplingParams(self._temperature, self._top_k, self._top_p, numbers)


GREEDY = Sampler(Sampling(), 0).at(0)
"""Parameters for a pass whose choice is discarded."""
