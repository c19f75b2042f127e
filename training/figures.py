"""Measure a preset on the four held-out sets, beside copying, and write the figures of the bundled one.

    python -m training.figures --folder build/training                   # the bundled model, into its folder
    python -m training.figures --folder build/training --preset FOLDER   # another one, printed only

`codegemma_ui/presets/quality.py` reads what is written; the page and the model's card have the same figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.presets import BUNDLED_FOLDER, quality
from training import copy_baseline
from training.held_out import KINDS

SAID = ("tasks", "exact_match", "edit_similarity", "stopped", "parses")
"""What is kept of a report of `eval`."""

TITLES = {
    "single_line": "single line",
    "rest_of_line": "rest of a line",
    "multi_line": "several lines",
    "random_span": "random span",
}


def fingerprint(preset: Path) -> str:
    """Return a digest that changes whenever a preset is saved: no result outlives its weights."""
    return hashlib.sha256((preset / "metadata.json").read_bytes()).hexdigest()[:12]


def judge(
    preset: Path, dataset: Path, results: Path, backend: str, limit: int | None = None
) -> dict[str, float]:
    """Fill in a set of tasks with a preset: greedy, PSM, at most 96 new tokens.

    Args:
        preset: its folder.
        results: folder for what each task gave; an interrupted run goes on there.
        limit: only the first so many tasks.

    Returns:
        `SAID`, as `eval` defines them.

    Raises:
        RuntimeError: `eval` failed.
    """
    results.mkdir(parents=True, exist_ok=True)
    kept = results / f"{preset.name}-{fingerprint(preset)}-{dataset.stem}.jsonl"
    command = [sys.executable, "-m", "codegemma_ui", "eval", "--json", "--preset", str(preset)]
    command += ["--backend", backend, "--dataset", str(dataset), "--results", str(kept)]
    command += ["--limit", str(limit)] if limit else []
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"eval ended with {done.returncode}: {done.stderr[-400:]}")
    report = json.loads(done.stdout)
    return {name: report[name] for name in SAID}


def copied(dataset: Path, limit: int | None = None) -> dict[str, float]:
    """Fill in a set of tasks by copying."""
    found = copy_baseline.report(tasks.read(dataset).tasks[:limit])
    return {"exact_match": found.exact_match, "edit_similarity": found.edit_similarity}


def as_table(measured: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the rows of the card: each set, and copying on it."""
    rows = [
        "| | tasks | exact | edit similarity | stopped by itself | program parses |",
        "|---|---|---|---|---|---|",
    ]
    for kind, both in measured.items():
        model, copy = both["model"], both["copy"]
        shares = f"{model['exact_match']:.1%} | {model['edit_similarity']:.3f}"
        ends = f"{model['stopped']:.1%} | {model['parses']:.1%}"
        rows.append(f"| {TITLES[kind]} | {model['tasks']} | {shares} | {ends} |")
        shares = f"{copy['exact_match']:.1%} | {copy['edit_similarity']:.3f}"
        rows.append(f"| — copy | {model['tasks']} | {shares} | | |")
    return "\n".join(rows) + "\n"


def into_card(card: str, table: str) -> str:
    """Return a card with its table of figures replaced: what stands between the two comments."""
    head, begin, rest = card.partition("<!-- figures -->\n")
    _, end, tail = rest.partition("<!-- end of figures -->")
    if not (begin and end):
        raise ValueError("The card should have <!-- figures --> and <!-- end of figures -->.")
    return f"{head}{begin}\n{table}\n{end}{tail}"


def main() -> None:
    """Measure, print, and write the bundled model's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--preset", type=Path, default=BUNDLED_FOLDER, metavar="FOLDER")
    parser.add_argument("--backend", default="jax")
    parser.add_argument(
        "--limit", type=int, help="only the first N tasks of each set; write nothing"
    )
    given = parser.parse_args()
    measured = {}
    for kind in KINDS:
        dataset = given.folder / "held_out" / f"{kind}.jsonl"
        results = given.folder / "results"
        model = judge(given.preset, dataset, results, given.backend, given.limit)
        measured[kind] = {"model": model, "copy": copied(dataset, given.limit)}
        print(kind, json.dumps(measured[kind]), file=sys.stderr, flush=True)
    table = as_table(measured)
    print(table)
    if given.preset == BUNDLED_FOLDER and not given.limit:
        quality.HELD_OUT.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
        card = BUNDLED_FOLDER / "README.md"
        card.write_text(into_card(card.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
