"""What every engine is asked: the model's shape, prompts of random tokens, and how often each is timed.

Tokens are random ids, the same for every engine, and nothing ends a completion early: with random weights all
that matters is how many there are.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.speed.shapes import SHAPES, Shape
from tools.gpu.results import Figures

Result = TypeVar("Result")

MOST_S = 15.0
"""Seconds after which a slow engine is not run again: a call has nine minutes for all of them."""

LEAST_RUNS = 2

TINY = Shape(
    name="tiny",
    vocabulary_size=1024,
    num_layers=2,
    hidden_dim=64,
    num_query_heads=4,
    num_key_value_heads=1,
    head_dim=16,
    intermediate_dim=256,
    context_length=256,
)
"""The shape of a small run."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The lengths, in tokens, and counts of a run.

    Attributes:
        shape: of the model.
        context_length: of every engine.
        prompts: lengths of the prompts, the most telling first.
        new_tokens: decoded after each.
        streams: completions at once.
        streams_prompt: length of the prompt of each.
        warm: runs of a prompt before it is timed, each with other tokens; ours keeps the caches of three
            prompts, so that the fourth allocates nothing.
        repeats: timed runs, or fewer where they take long: see `repeated`.
    """

    shape: Shape
    context_length: int
    prompts: tuple[int, ...]
    new_tokens: int
    streams: int
    streams_prompt: int
    warm: int
    repeats: int


def workload(shape: str, small: bool) -> Workload:
    """Return what is run.

    Args:
        shape: name of one of `benchmarks.speed.shapes.SHAPES`.
        small: the same with a tiny shape, whatever is named, for a CPU.
    """
    if small:
        return Workload(
            shape=TINY,
            context_length=TINY.context_length,
            prompts=(40, 12),
            new_tokens=24,
            streams=3,
            streams_prompt=20,
            warm=1,
            repeats=2,
        )
    return Workload(
        shape=SHAPES[shape],
        context_length=8192,
        # Each needs its programs compiled, which takes half as long again with 7B's layers.
        prompts=(200, 4000, 22) if shape == "7b" else (200, 4000, 22, 900),
        new_tokens=128,
        streams=8,
        streams_prompt=200,
        warm=4,
        repeats=7,
    )


def prompt(shape: Shape, tokens: int, seed: int) -> list[int]:
    """Return random token ids; those of another seed begin differently."""
    drawn = random.Random(seed)
    return [drawn.randrange(1, shape.vocabulary_size) for _ in range(tokens)]


def repeated(
    work: Callable[[], Result],
    times: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Result]:
    """Return the results of some runs: at least two, but no further one once `MOST_S` seconds are spent.

    Args:
        work: a run.
        times: how often it is run, if it is fast.
        clock: seconds that pass.
    """
    begun = clock()
    results: list[Result] = []
    while len(results) < times and (len(results) < LEAST_RUNS or clock() - begun < MOST_S):
        results.append(work())
    return results


def spread(name: str, unit: str, values: Sequence[float]) -> Figures:
    """Return the median, lowest and highest of values: `first_ms`, `first_low_ms`, `first_high_ms`."""
    return {
        f"{name}_{unit}": statistics.median(values),
        f"{name}_low_{unit}": min(values),
        f"{name}_high_{unit}": max(values),
    }


def timed(arrivals_s: Sequence[Sequence[float]]) -> Figures:
    """Return first token and decode speed of several runs of one prompt.

    Args:
        arrivals_s: for each run, when each token arrived, in seconds since the request.
    """
    speeds = [(len(times) - 1) / (times[-1] - times[0]) for times in arrivals_s]
    firsts = [1000 * times[0] for times in arrivals_s]
    return {**spread("first", "ms", firsts), **spread("decode", "tok_s", speeds)}


def timed_together(arrivals_s: Sequence[Sequence[Sequence[float]]]) -> Figures:
    """Return the speed of several streams at once, of several runs.

    Args:
        arrivals_s: for each run and stream, when each token arrived, in seconds since the common start.

    Returns:
        `together_tok_s`, all tokens over the seconds until the last, prompts included; `decode_tok_s`, the
        tokens that arrived while every stream decoded, which may be none; the last stream's first token.
    """
    wholes, decodes, lasts = [], [], []
    for streams in arrivals_s:
        last = max(times[0] for times in streams)
        first_end = min(times[-1] for times in streams)
        wholes.append(sum(map(len, streams)) / max(times[-1] for times in streams))
        lasts.append(1000 * last)
        if first_end > last:
            every = [time for times in streams for time in times if last < time <= first_end]
            decodes.append(len(every) / (first_end - last))
    return {
        **spread("together", "tok_s", wholes),
        **(spread("decode", "tok_s", decodes) if decodes else {}),
        **spread("last_first", "ms", lasts),
    }
