"""The results of `make real-size`, and the table in docs/sizing.md."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.real_size import groups, table
from benchmarks.real_size.rows import KINDS, LLAMA_CPP
from benchmarks.real_size.table import Measured

TORCH = Measured(
    "torch",
    "int8",
    None,
    settled="int8",
    ready_s=20.0,
    peak_gb=4.2,
    compilers_gb=0.5,
    needs_gb=4.41,
    first_short_s=1.1,
    first_long_s=7.25,
    tokens_per_s=8.0,
    stop_s=0.4,
)
THEIRS = replace(
    TORCH, engine=LLAMA_CPP, dtype="q8_0", settled="", needs_gb=None, tokens_per_s=10.0
)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    measured = [TORCH, THEIRS, Measured("jax", "auto", 8, failed="killed")]
    table.write(measured, tmp_path / "results.tsv")
    assert table.read(tmp_path / "results.tsv") == measured


def test_new_runs_take_the_place_of_those_of_the_same_rows(tmp_path: Path) -> None:
    table.write([TORCH, TORCH, THEIRS], tmp_path / "results.tsv")
    again = replace(TORCH, tokens_per_s=9.0)
    table.keep([again], tmp_path / "results.tsv")
    assert table.read(tmp_path / "results.tsv") == [THEIRS, again]


def test_a_row_has_the_medians_of_its_runs_beside_the_peers() -> None:
    runs = [replace(TORCH, tokens_per_s=speed) for speed in (7.0, 8.0, 30.0)]
    row = table.rendered([*runs, THEIRS]).splitlines()[-1]
    assert row == "| torch int8 | all | 20 s | 4.2 GB (4.4) | 1.10, 7.2 s | 8.0 | 0.80 | 0.4 s |"


def test_what_auto_came_to_and_what_failed_are_told() -> None:
    auto = replace(TORCH, dtype="auto", limit_gb=16, settled="bfloat16")
    assert "| torch auto (bfloat16) | 16 GB |" in table.rendered([auto])
    assert "| jax auto | 8 GB | killed |" in table.rendered(
        [Measured("jax", "auto", 8, failed="killed")]
    )


def test_only_the_table_changes_in_the_docs(tmp_path: Path) -> None:
    docs = tmp_path / "sizing.md"
    docs.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n", encoding="utf-8")
    table.into_docs("| new |\n", docs)
    assert docs.read_text(encoding="utf-8") == f"before\n{table.BEGIN}| new |\n{table.END}after\n"


def test_the_docs_have_the_results() -> None:
    shown = table.DOCS.read_text(encoding="utf-8").split(table.BEGIN)[1].split(table.END)[0]
    assert shown == table.rendered(table.read())


def test_each_width_of_a_peers_is_measured_too() -> None:
    peers = {kind.dtype for kind in KINDS if kind.engine == LLAMA_CPP}
    assert {kind.beside for kind in KINDS if kind.beside} == peers
    assert len(set(KINDS)) == len(KINDS)


@pytest.mark.parametrize("limit_gb", [1, 2])
def test_a_group_holds_what_runs_inside_to_its_limit(limit_gb: int) -> None:

    script = "from codegemma_ui import machine; print(machine.memory_bytes()[0])"
    try:
        with groups.memory_group(limit_gb * 10**9) as group:
            command = groups.inside(group, [sys.executable, "-c", script])
            told = subprocess.run(command, capture_output=True, check=True, timeout=60)
    except groups.NoGroups as error:
        pytest.skip(str(error))
    assert 0.99 < int(told.stdout) / (limit_gb * 10**9) <= 1
    assert not group.exists()
