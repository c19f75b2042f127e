"""Benchmark runs of scripted subjects, whose correct figures are known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.speed import runner
from benchmarks.speed.plan import Plan
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.runner import Run
from benchmarks.speed.subjects import Subject
from codegemma_ui.fim.vocabulary import Vocabulary
from tests.benchmarks.speed.scripted_runs import BANDWIDTH, PLAN, Measure, setting


@pytest.fixture
def prompts(vocabulary: Vocabulary) -> Prompts:
    return Prompts(vocabulary)


@pytest.fixture
def measure(prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Run scripted subjects. The memory bandwidth is given, not measured."""
    monkeypatch.setattr(runner, "measure_bandwidth", lambda *_: BANDWIDTH)

    def run(
        subjects: Sequence[Subject],
        rounds: int = 1,
        plan: Plan = PLAN,
        time_limit_s: float = 60.0,
        again: int = 0,
    ) -> Run:
        return runner.run(
            *(subjects, setting(time_limit_s), plan, rounds, prompts, 1_000_000),
            lambda line: None,
            again,
        )

    return run
