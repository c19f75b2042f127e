"""The best settings of an engine on this machine, one setting after the other.

Each value of a setting is tried in turns with the others, in a process of its own, and the best is kept for
the next setting. Best is the fastest decode; of values within 3% of it, the earliest first token.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from benchmarks.speed.plan import Case, Plan
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.subjects import Subject
from benchmarks.speed.visit import Setting, Visit, fill

ALIKE = 0.97
"""Speeds from this share of the best on are alike."""

PROMPT_TOKENS = 200
WARM = 4

Say = Callable[[str], None]


@dataclass(frozen=True)
class Try:
    """One combination of settings.

    Attributes:
        settings: of the engine.
        tokens_per_s: median over all requests, the first of each process left out; None if it failed.
        first_token_s: likewise.
        error: of the last try that failed.
    """

    settings: Mapping[str, str]
    tokens_per_s: float | None
    first_token_s: float | None
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep over one subject's settings.

    Attributes:
        subject: its name.
        chosen: the best settings.
        tried: all combinations, in order; one that was tried for two settings is there twice.
    """

    subject: str
    chosen: Mapping[str, str]
    tried: list[Try] = field(default_factory=list)


def sweep(subject: Subject, setting: Setting, plan: Plan, prompts: Prompts, say: Say) -> Sweep:
    """Try a subject's settings.

    Args:
        subject: with `swept`.
        setting: of the run; the subject's settings in it are ignored.
        plan: its `sweep_*` attributes.
        prompts: of the model's vocabulary.
        say: takes a line of progress.
    """
    short = Plan(cases=(Case(PROMPT_TOKENS, plan.sweep_tokens),), warm=WARM, case_s=plan.case_s)
    chosen = {name: values[0] for name, values in subject.swept.items()}
    tried: list[Try] = []
    for name, values in subject.swept.items():
        ways = [{**chosen, name: value} for value in values]
        visits: list[list[Visit]] = [[] for _ in ways]
        for turn in range(plan.sweep_turns):
            numbers = range(len(ways))
            for number in numbers if turn % 2 == 0 else reversed(numbers):
                with_it = replace(setting, settings={subject.name: ways[number]})
                visits[number].append(Visit(replace(subject, extras=())))
                fill(visits[number][-1], with_it, short, prompts)
        results = [_try(way, made) for way, made in zip(ways, visits, strict=True)]
        tried += results
        chosen[name] = best(results).settings[name]
        say(f"sweep  {subject.name:<30}{name}: {chosen[name]}")
    return Sweep(subject.name, chosen, tried)


def best(tried: list[Try]) -> Try:
    """Return the best of some combinations; the first if all failed."""
    speeds = [one.tokens_per_s for one in tried if one.tokens_per_s is not None]
    if not speeds:
        return tried[0]
    alike = [one for one in tried if (one.tokens_per_s or 0.0) >= ALIKE * max(speeds)]
    return min(alike, key=lambda one: one.first_token_s or float("inf"))


def _try(settings: Mapping[str, str], visits: list[Visit]) -> Try:
    samples = [sample for made in visits for sample in made.samples if sample.time]
    speeds = [speed for sample in samples if (speed := sample.tokens_per_s) is not None]
    error = next((made.error for made in visits if made.error), None)
    if not speeds:
        return Try(settings, None, None, error)
    firsts = [sample.first_s for sample in samples]
    return Try(settings, statistics.median(speeds), statistics.median(firsts), error)
