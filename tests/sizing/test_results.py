"""docs/sizing.md matches the results, and the results match the simulation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sizing import __main__ as sizing
from benchmarks.sizing.cards import CARDS, fits, most_tokens_per_second
from benchmarks.sizing.engines import HABITS, kinds
from codegemma_ui import presets

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sizing.md").read_text()
ROWS = sizing.read()


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_the_page_has_the_most_visitors(kind) -> None:
    cells = [
        ", ".join(
            str(sizing.most_visitors(ROWS, kind.name, habit.name, n)) for n in sizing.REPLICAS
        )
        for habit in HABITS
    ]
    speed = f"{kind.first_s:.3f} s, {kind.tokens_per_s:.0f} a second ({kind.source})"
    assert f"| {kind.name} | {speed} | {' | '.join(cells)} |" in PAGE


def test_a_row_of_the_results_is_simulated_again() -> None:
    for kind, habit in ((kinds()[0], HABITS[0]), (kinds()[3], HABITS[1])):
        row = sizing.simulate(kind, habit, 2, 27)
        assert row in ROWS


@pytest.mark.parametrize("name", ["code_gemma_2b_en", "code_gemma_7b_en"])
@pytest.mark.parametrize(("dtype", "said"), [("bfloat16", "half width"), ("float32", "float32")])
def test_the_page_says_what_has_room(name: str, dtype: str, said: str) -> None:
    preset = presets.named(name)
    cells = ["yes" if fits(preset, dtype, card) else "no" for card in CARDS]
    memory_bytes = preset.memory_bytes(dtype, dtype)
    assert memory_bytes is not None
    needs = f"{memory_bytes / 1e9:.1f} GB"
    assert f"| {preset.label} | {said} | {needs} | {' | '.join(cells)} |" in PAGE


def test_the_bounds_are_bandwidth_over_weights() -> None:
    small, large = presets.named("code_gemma_2b_en"), presets.named("code_gemma_7b_en")
    t4, l4, _, a100 = CARDS
    bounds = [
        round(most_tokens_per_second(model, "bfloat16", card))
        for model, card in ((small, t4), (small, l4), (small, a100), (large, l4), (large, a100))
    ]
    assert bounds == [60, 60, 386, 18, 113]
    said = (
        "the 2B 60 on a T4 or an L4 and 386 on the larger A100; the 7B 18 on an L4 and 113 on that"
    )
    assert said in " ".join(PAGE.split())


def test_the_plot_is_small() -> None:
    assert (ROOT / "benchmarks" / "sizing" / "plot.png").stat().st_size < 60_000


def test_an_engine_of_ones_own_is_simulated_and_a_wrong_one_named() -> None:
    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmarks.sizing", *flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    done = run("--first-token", "3", "--rate", "5")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^yours, page: visitors \d+ by 1", done.stderr, re.MULTILINE)
    assert done.stdout.splitlines()[0].split("\t") == list(sizing.COLUMNS)
    for wrong in (("--rate", "5"), ("--rate", "5", "--first-token", "-1"), ("--gain", "2")):
        done = run(*wrong)
        assert done.returncode == 2
        assert "must be" in done.stderr
