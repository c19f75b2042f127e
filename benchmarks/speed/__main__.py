"""`python -m benchmarks.speed`: speed of the engine, compared with other engines on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.speed import plan, plot, report, runner, subjects, surroundings, sweep, weights
from benchmarks.speed.figures import Figures
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.shapes import SHAPES
from benchmarks.speed.subjects import Device, Subject
from benchmarks.speed.visit import Setting, Visit
from benchmarks.speed.weights import Model
from codegemma_ui import installation, machine, settings
from codegemma_ui.commands.main import exit_with
from codegemma_ui.commands.shell import Cancelled, Parser, Reported
from codegemma_ui.errors import BadInput, EngineError
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import to_json

BUSY_CORES = 0.5
"""With more cores than this busy before it starts, a run warns that its figures will be off."""

NEEDS_CUDA = (
    "an NVIDIA card that nvidia-smi lists, the CUDA builds of jax and torch (docs/backends.md), and for "
    "llama.cpp a CUDA wheel of xllamacpp"
)


def parser() -> Parser:
    """Return the parser of the command line."""
    made = Parser(
        prog="python -m benchmarks.speed",
        description="Measure the speed of the engine, beside other engines on this machine.",
    )
    measured = made.add_mutually_exclusive_group()
    measured.add_argument(
        "--preset",
        help="model: a name, a folder, hf://… or kaggle://… [CODEGEMMA_UI_PRESET, bundled]",
    )
    measured.add_argument("--shape", choices=tuple(SHAPES), help="a Gemma with random weights")
    for name, text in (
        ("--rounds", "how often each subject is visited; default 3, with --quick 1"),
        ("--threads", "cores that a subject may use; default all"),
    ):
        made.add_argument(name, type=int, help=text)
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="keep results.json, results.md and plot.png there"
    )
    made.add_argument(
        "--only", nargs="+", metavar="NAME", help="subjects, or how their names begin: engine-jax"
    )
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    made.add_argument(
        "--time-limit", type=float, default=900.0, help="seconds one visit may take; default 900"
    )
    for name, text in (
        ("--quick", "few and short questions: to see that it works"),
        ("--json", "the results as one JSON object instead of Markdown"),
    ):
        made.add_argument(name, action="store_true", help=text)
    return made


def run(parsed: argparse.Namespace) -> None:
    """Measure, and print the report.

    Raises:
        BadInput, EngineError: before anything was measured.
        Cancelled: a signal ended it; the measurements so far have been reported.
        Reported: nothing could be measured, and the report gives the reason; or the control drifted, and
            nothing was kept.
    """
    found = measure(parsed)
    print(to_json(found) if parsed.json else report.markdown(found), flush=True)
    drift = found["control"] and found["control"]["drift"]
    if parsed.out and drift and drift > runner.MOST_DRIFT and not parsed.quick:
        raise Reported(
            EngineError(f"Not kept: {found['control']['subject']} drifted by {drift:.0%}.")
        )
    if parsed.out:
        _write(found, parsed.out)
    if found["interrupted"]:
        raise Cancelled
    if all(row["error"] is not None for row in found["rows"]):
        raise Reported(EngineError("Nothing could be measured."))


def measure(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run the whole benchmark.

    Returns:
        A JSON object: `started`, `seconds`, `interrupted`, `model`, `settings`, `machine`, `versions`,
        `bandwidth`, `control`, `sweeps`, `rows` (a subject each), `comparisons`, `typing`, `http`,
        `skipped`. Quantities are SI units, each with `median`, `low`, `high` over `rounds`; see `figures.py`.

    Raises:
        BadInput, EngineError: before anything was measured.
    """
    started, began = datetime.now().astimezone(), time.monotonic()

    # 1. Check everything before anything is created or loaded.
    device = _device(parsed.device)
    threads = _whole("--threads", parsed.threads, surroundings.usable_cores(), at_most_default=True)
    rounds = _whole("--rounds", parsed.rounds, 1 if parsed.quick else 3)
    chosen = subjects.chosen(parsed.only or (), device)
    resolved = settings.resolve(argparse.Namespace(preset=parsed.preset))
    where = surroundings.examine()
    if where["load"] is not None and where["load"] > BUSY_CORES:
        _say(f"{where['load']} cores are busy with other work: figures will be off")
    present, skipped = _present(chosen, device, resolved.pythons)

    # 2. The model, in each format that a subject reads.
    model = (
        weights.of_shape(parsed.shape, _say)
        if parsed.shape
        else weights.of_preset(resolved.preset, _say)
    )
    folders, broken = _prepare(model, present)

    # 3. Measure.
    asked = plan.of(model.parameters, quick=parsed.quick).within(model.preset.context_length)
    setting = Setting(
        preset_folder=model.folder,
        weights=folders,
        context_length=min(plan.CONTEXT_LENGTH, model.preset.context_length),
        threads=threads,
        device=device,
        time_limit_s=parsed.time_limit,
        pythons=dict(resolved.pythons),
    )
    vocabulary = Vocabulary(model.folder)
    prompts = Prompts(vocabulary)
    ready = [subject for subject in present if subject.name not in broken]
    swept = [
        sweep.sweep(subject, setting, asked, prompts, _say)
        for subject in _with_peers(ready)
        if subject.swept and not parsed.quick
    ]
    setting = replace(setting, settings={one.subject: one.chosen for one in swept})
    again = 0 if parsed.quick else rounds
    made = runner.run(ready, setting, asked, rounds, prompts, model.parameters, _say, again)
    unready = [
        Visit(subject, error=broken[subject.name]) for subject in present if subject not in ready
    ]
    if unready and made.visits:
        made.visits[0] += unready

    # 4. Report.
    figures = Figures(made, vocabulary.stop_ids)
    return {
        "bench": 1,
        "started": started.isoformat(timespec="minutes"),
        "seconds": round(time.monotonic() - began, 1),
        "interrupted": made.interrupted,
        "model": {
            "name": model.name,
            "random": model.random,
            "parameters": model.parameters,
            "digest": model.digest,
        },
        "settings": {
            "device": device,
            "threads": threads,
            "rounds": rounds,
            "quick": parsed.quick,
            "plan": asdict(asked),
        },
        "machine": where,
        "versions": surroundings.versions(),
        "bandwidth": figures.bandwidth(),
        "control": figures.control(),
        "sweeps": [asdict(one) for one in swept],
        "rows": figures.rows(present),
        "comparisons": figures.comparisons(),
        "typing": figures.typing(),
        "http": figures.http(),
        "skipped": skipped,
    }


def _device(wanted: str) -> Device:
    cards = bool(machine.gpus())
    if wanted == "cuda" and not cards:
        raise BadInput(f"--device cuda needs {NEEDS_CUDA}. Received: a machine without these.")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and cards) else "cpu"


def _whole(flag: str, given: int | None, default: int, *, at_most_default: bool = False) -> int:
    value = default if given is None else given
    if value < 1 or (at_most_default and value > default):
        most = f" to {default}, the number of cores" if at_most_default else " up"
        raise BadInput(f"{flag} must be a whole number from 1{most}. Received: {value}")
    return value


def _present(
    chosen: Sequence[Subject], device: Device, pythons: Any
) -> tuple[list[Subject], list[dict[str, str]]]:
    """Return the subjects that can run here, and what each of the others needs."""
    present, skipped = [], []
    for subject in chosen:
        needs = subject.missing(pythons.get(subject.backend))
        if needs is None:
            present.append(subject)
        else:
            _say(f"{subject.name} is skipped: {needs}")
            skipped.append({"subject": subject.name, "needs": needs})
    if device == "cpu":
        skipped.append({"subject": "everything on a CUDA card", "needs": NEEDS_CUDA})
    return present, skipped


def _prepare(
    model: Model, present: Sequence[Subject]
) -> tuple[dict[tuple[str, str], Path], dict[str, str]]:
    """Return the folders that subjects read, and the errors of those without one."""
    folders: dict[tuple[str, str], Path] = {}
    broken: dict[str, str] = {}
    for subject in present:
        read = subjects.named(subject.peer) if subject.peer else subject
        if read.weights == "preset":
            continue
        try:
            folders[read.weights, read.dtype] = weights.exported(
                model, read.weights, read.dtype, _say
            )
        except EngineError as error:
            _say(f"{subject.name}: {error}")
            broken[subject.name] = str(error)
    return folders, broken


def _with_peers(chosen: Sequence[Subject]) -> list[Subject]:
    """Return the subjects and the peers that they are asked beside, each once."""
    peers = [subjects.named(subject.peer) for subject in chosen if subject.peer]
    return list({one.name: one for one in (*chosen, *peers)}.values())


def _write(found: dict[str, Any], folder: Path) -> None:
    """Write a run: results.json, results.md, plot.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(
        json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    (folder / "results.md").write_text(report.markdown(found), encoding="utf-8")
    try:
        plot.draw(found, folder / "plot.png")
    except ImportError:
        _say(f"no plot: matplotlib is missing. {installation.install('bench')}")
    _say(f"kept in {folder}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    exit_with(lambda: run(parser().parse_args()))
