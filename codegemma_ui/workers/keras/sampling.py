"""How tokens are to be chosen, and what was chosen: on the host's side of what `steps/sample.py` does.

This file deals in numbers and token ids. It knows nothing of text, stop tokens or the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from codegemma_ui.workers.keras.steps import BURST, SamplingParams, TokenBatch

COLDEST = 1e-30
"""A temperature up to this is as good as 0; float32 would divide by nothing."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        temperature: divides the logits; 0 is greedy, and top-k, top-p and seed then have no effect.
        top_k: keep the `top_k` most likely tokens; 0 is off.
        top_p: keep the most likely tokens up to and with the one that carries their summed
            probability past `top_p`; 0 keeps the first of them, 1 is off.
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
    """One chosen token, and how sure the model was.

    Args:
        id: the token.
        logprob: its natural-log probability under the model's own distribution (temperature 1, no
            top-k, no top-p).
        alternatives: the five most likely `(id, logprob)` under the same distribution, most likely
            first, equal ones by id. Sampling may choose a token that is not among them.
        stop_logprob: the natural logarithm of the probability that any stop token came here; -inf where
            there are none.
    """

    id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...]
    stop_logprob: float = -math.inf


def choices_of(picked: TokenBatch) -> list[TokenChoice]:
    """What the device chose, a choice a row.

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
    """The params of each token of one generation.

    A number for each token is settled by the seed, before anything is: it does not matter how many tokens a
    pass gives, nor which backend draws.

    Args:
        sampling: how to choose.
        count: the most tokens that may come.
    """

    def __init__(self, sampling: Sampling, count: int) -> None:
        self._temperature = np.float32(
            sampling.temperature if sampling.temperature > COLDEST else 0
        )
        self._top_k = np.int32(min(sampling.top_k, np.iinfo(np.int32).max))
        self._top_p = np.float32(sampling.top_p)
        self._numbers = np.zeros(count + BURST, np.float32)
        if self._temperature > 0:
            random = np.random.default_rng(sampling.seed)
            self._numbers[:count] = random.random(count, np.float32)

    def at(self, made: int) -> SamplingParams:
        """How to choose the token after `made` others, and those after it."""
        numbers = self._numbers[made : made + BURST]
        return SamplingParams(self._temperature, self._top_k, self._top_p, numbers)


GREEDY = Sampler(Sampling(), 0).at(0)
"""For a pass whose choice is not wanted."""
