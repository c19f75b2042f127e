"""Measure the quality cost of each precision for the bundled model, on the same held-out holes.

    python -m training.precisions

It downloads the wheels of `PACKAGES`, which training left out entirely, in the versions of `packages.tsv`,
draws line remainders from them, and writes `precisions.json` into the bundled preset.
`codegemma_ui/presets/quality.py` reads that file; the page, `presets`, `doctor` and docs/backends.md show the
figures. The tasks and all results stay in `build/training/precisions`; after an interruption, the same
command continues there.

Whether the lines themselves occur in the training text is not checked, which would need all of it. This
compares precisions, on the same lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from codegemma_ui import presets
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands.evaluate import command, infilling, tasks
from codegemma_ui.commands.evaluate.infilling import Setup
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.fim import scoring
from codegemma_ui.presets import quality
from codegemma_ui.settings import Settings
from training import corpus, fetch, held_out
from training.figures import fingerprint

PACKAGES = (
    "aiohttp",
    "cvxpy",
    "jsonpath-ng",
    "nornir",
    "oslo-messaging",
    "readme-renderer",
    "xarray",
)
"""Some of the held-out packages, under this project's own licence."""

MEASURED = (
    ("jax", "float32"),
    ("jax", "bfloat16"),
    ("jax", "float16"),
    ("jax", "int8"),
    ("torch", "int4"),
)
"""Backends and precisions; the first is the reference. A CPU's sums are float32 whatever the precision of the
weights, so that backends differ by less than rounded weights do, and one stands for all: of the first 286
tasks torch in int8 gets 45 right like jax, at a perplexity of 5.489 against 5.488."""

FOLDER = Path("build/training/precisions")
TASKS = "rest_of_line.jsonl"
COUNT = 500
"""Line remainders; one percentage point of exact match is five of them."""

BEFORE, AFTER = 900, 450
"""Characters kept on each side: some 400 tokens, which take a third of a window's time to prefill."""


@dataclass(frozen=True)
class Outcome:
    """One task in one precision.

    Attributes:
        exact: the middle equals the original, up to surrounding white space.
        logprobs: from `infilling.score`.
    """

    task_id: str
    middle: str
    exact: bool
    logprobs: tuple[float, ...]


def draw(folder: Path, count: int) -> list[Task]:
    """Download the packages and draw line remainders from them, always the same, with nearby context."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    fetch.download(fetch.pinned(list(PACKAGES)), wheels)
    files = [file for wheel in fetch.wheels(wheels) for file in corpus.read(wheel)]
    missing = set(PACKAGES) & corpus.HELD_OUT - {file.package for file in files}
    if missing:
        raise SystemExit(
            f"All packages should have been downloaded. Missing: {', '.join(sorted(missing))}"
        )
    pool = held_out.Pool(corpus.unique(files), ())
    kind = "rest_of_line"
    drawn = pool.tasks(kind, held_out.rest_of_line, count, random.Random(f"0 {kind}"))
    return [
        replace(task, prompt=task.prompt[-BEFORE:], suffix=task.suffix[:AFTER]) for task in drawn
    ]


async def outcomes(
    backend: str, dtype: str, given: Sequence[Task], kept: Path | None = None
) -> list[Outcome]:
    """Fill in and score each task with the bundled model, one after the other.

    Args:
        kept: a file of outcomes, one per line: existing ones are reused, others are added.

    Raises:
        EngineError: the engine failed.
    """
    lines = kept.read_text(encoding="utf-8").splitlines() if kept and kept.exists() else []
    done = {one.task_id: one for one in (Outcome(**json.loads(line)) for line in lines)}
    missing = [task for task in given if task.task_id not in done]
    if missing:
        client = EngineClient(Settings(preset=presets.BUNDLED, backend=backend, dtype=dtype))
        try:
            client.start()
            await command.wait_for_model(client)
            for task in missing:
                done[task.task_id] = outcome = await _outcome(client, task)
                if kept is not None:
                    with kept.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(outcome)) + "\n")
        finally:
            client.close()
    return [done[task.task_id] for task in given]


async def _outcome(client: EngineClient, task: Task) -> Outcome:
    setup = Setup()
    middle = (await infilling.infill(client, task, setup)).text
    logprobs = await infilling.score(client, task, setup)
    exact = scoring.exact_match(middle, task.canonical_solution)
    return Outcome(task.task_id, middle, exact, tuple(logprobs))


def perplexity(results: Sequence[Outcome]) -> float:
    """Return e to the mean surprisal, in nats, of all tokens of all middles."""
    logprobs = [logprob for result in results for logprob in result.logprobs]
    return math.exp(-math.fsum(logprobs) / len(logprobs))


def figures(
    results: Sequence[Outcome], backend: str, dtype: str, reference: Sequence[Outcome]
) -> dict[str, object]:
    """Return the stored figures of one precision on one backend.

    Args:
        reference: the same tasks in the first of `MEASURED`.
    """
    same = sum(one.middle == other.middle for one, other in zip(results, reference, strict=True))
    return {
        "backend": backend,
        "dtype": dtype,
        "exact": sum(result.exact for result in results),
        "as_float32": same,
        "perplexity": round(perplexity(results), 3),
    }


def main() -> None:
    """`python -m training.precisions`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--only", nargs=2, metavar=("BACKEND", "DTYPE"), help="write no figures")
    options = parser.parse_args()
    path = options.folder / TASKS
    if not path.exists():
        drawn = draw(options.folder, options.count)
        lines = (json.dumps(asdict(task)) + "\n" for task in drawn)
        path.write_text("".join(lines), encoding="utf-8")
    given = tasks.read(path).tasks[: options.count]
    measured: list[dict[str, object]] = []
    reference: list[Outcome] = []
    weights = fingerprint(presets.BUNDLED_FOLDER)
    for backend, dtype in [tuple(options.only)] if options.only else MEASURED:
        kept = options.folder / f"{backend}-{dtype}-{weights}.jsonl"
        results = asyncio.run(outcomes(backend, dtype, given, kept))
        reference = reference or results
        measured.append(figures(results, backend, dtype, reference))
        print(json.dumps(measured[-1]), file=sys.stderr, flush=True)
    report: dict[str, object] = {
        "dataset": "rest_of_line",
        "packages": list(PACKAGES),
        "tasks": len(given),
        "tokens": sum(len(result.logprobs) for result in reference),
        "measured": measured,
    }
    if options.only is None:
        quality.FILE.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
