"""What a narrower precision costs a preset: the same held-out holes in each, beside float32.

    python -m training.precisions --preset codegemma_ui/models/fim_small

It writes `precisions.json` into the preset, which the page shows beside its precision control: how many holes
come out exactly right in each precision, and in how many the middle is the very one of float32. The middles
stay in `build/training/precisions`; ended early, the same command goes on there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from codegemma_ui.presets import PRECISIONS_FILE

DATASET = Path("build/training/held_out/rest_of_line.jsonl")
RESULTS = Path("build/training/precisions")
DTYPES = ("float32", "bfloat16", "float16", "int8")


def middles(preset: Path, dataset: Path, dtype: str) -> dict[str, dict[str, object]]:
    """Fill in all holes in one precision: each task's result, by its id."""
    results = RESULTS / f"{dtype}.jsonl"
    command = [sys.executable, "-m", "codegemma_ui", "eval", "--preset", str(preset)]
    command += ["--backend", "jax", "--dtype", dtype]
    command += ["--dataset", str(dataset), "--results", str(results)]
    subprocess.run(command, check=True)
    _, *lines = results.read_text(encoding="utf-8").splitlines()
    return {line["task_id"]: line for line in map(json.loads, lines)}


def compared(by_dtype: dict[str, dict[str, dict[str, object]]], dataset: str) -> dict[str, object]:
    """The counts that are kept, from each precision's results by task id."""
    reference = by_dtype["float32"]
    return {
        "dataset": dataset,
        "tasks": len(reference),
        "exact": {
            dtype: sum(bool(result["exact_match"]) for result in results.values())
            for dtype, results in by_dtype.items()
        },
        "as_float32": {
            dtype: sum(
                result["middle"] == reference[task]["middle"] for task, result in results.items()
            )
            for dtype, results in by_dtype.items()
        },
    }


def main() -> None:
    """`python -m training.precisions`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", type=Path, required=True)
    parser.add_argument("--dataset", type=Path, default=DATASET)
    given = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    by_dtype = {dtype: middles(given.preset, given.dataset, dtype) for dtype in DTYPES}
    counts = compared(by_dtype, given.dataset.stem)
    (given.preset / PRECISIONS_FILE).write_text(
        json.dumps(counts, indent=2) + "\n", encoding="utf-8"
    )
    print(json.dumps(counts, indent=2))


if __name__ == "__main__":
    main()
