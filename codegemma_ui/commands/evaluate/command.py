"""`python -m codegemma_ui eval`: evaluate a preset on a dataset of infilling tasks."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from codegemma_ui import fim, presets, settings
from codegemma_ui.client import coming_up
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands.evaluate import execution, infilling, tasks
from codegemma_ui.commands.evaluate.infilling import Setup
from codegemma_ui.commands.evaluate.results import ResultsFile, RunSettings, TaskResult
from codegemma_ui.commands.evaluate.summary import summary
from codegemma_ui.commands.evaluate.tasks import Dataset, Task
from codegemma_ui.commands.shell import Cancelled, Commands
from codegemma_ui.errors import BadInput
from codegemma_ui.fim import scoring
from codegemma_ui.ipc.messages import to_json
from codegemma_ui.machine import console, interrupts
from codegemma_ui.settings import Settings

FOLDER = Path("eval-results")

PROGRESS_S = 10.0
"""Seconds between two lines of progress if stderr is not a terminal."""


def add_parser(commands: Commands) -> None:
    """Add `eval` with its flags."""
    # Its own --time-limit: a large model on a CPU should be slow, not fail.
    parser = commands.add_parser(
        "eval", help="measure a model on infilling tasks", conflict_handler="resolve"
    )
    parser.add_argument(
        "--dataset",
        metavar="FILE",
        required=True,
        help="JSON lines in the form of HumanEval-Infilling, plain or gzip",
    )
    settings.add_model_flags(parser)
    parser.add_argument("--time-limit", default="3600", help="maximum seconds per task [3600]")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N tasks")
    parser.add_argument(
        "--max-new-tokens", type=int, default=96, help="maximum tokens of a middle; default 96"
    )
    parser.add_argument(
        "--layout", choices=fim.FIM_LAYOUTS, default="psm", help="prompt order; default psm"
    )
    for name, text in (
        ("--hide-suffix", "use an empty suffix"),
        ("--execute", "also run each task's test, in a contained process: pass_at_1"),
        ("--json", "the report as one JSON object"),
    ):
        parser.add_argument(name, action="store_true", help=text)
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="one line per task; continues an interrupted run; default in eval-results/",
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Evaluate, and print the report.

    Raises:
        BadInput, EngineError: a failure; earlier results are kept.
        Cancelled: a signal ended it.
    """
    console.log_errors_only()
    try:
        asyncio.run(_run(parsed))
    except asyncio.CancelledError:  # SIGTERM; Ctrl+C leaves as KeyboardInterrupt
        raise Cancelled from None


async def _run(parsed: argparse.Namespace) -> None:
    current = asyncio.current_task()
    assert current is not None
    interrupts.call_on(set(interrupts.ENDING) - {signal.SIGINT}, current.cancel)

    # 1. Validate everything before spending seconds on loading.
    if parsed.execute:
        execution.check_system()
    chosen = settings.resolve(parsed)
    if parsed.limit is not None and parsed.limit < 1:
        raise BadInput(f"--limit must be a whole number from 1. Received: {parsed.limit}")
    setup = Setup(
        max_new_tokens=parsed.max_new_tokens, layout=parsed.layout, hide_suffix=parsed.hide_suffix
    )
    dataset = tasks.read(Path(parsed.dataset))
    client = EngineClient(chosen)
    infilling.check_room(setup.max_new_tokens, client.status().context_length)
    if parsed.execute:
        _say(execution.WARNING)
        for sentence in await execution.check_containment():
            _say(f"warning: {sentence}")

    # 2. Fill in, or reuse results of an earlier run.
    wanted = dataset.tasks[: parsed.limit]
    path = Path(parsed.results or default_results(dataset, chosen, setup))
    with ResultsFile(path, how_made(dataset, chosen, setup)) as file:
        try:
            await evaluate(client, wanted, setup, file, execute=parsed.execute)
        except BaseException as error:
            if file.done and not isinstance(error, BadInput):
                _say(
                    f"{len(file.done)} results are kept in {path}; the same command continues there."
                )
            raise
        finally:
            client.close()

        # 3. Report.
        done = [file.done[task.task_id] for task in wanted]
        report = {
            **summary(done, executed=parsed.execute),
            **{"preset": chosen.preset, "backend": chosen.backend, "dtype": file.dtype},
            **asdict(setup),
            **{"dataset": parsed.dataset, "dataset_sha256": dataset.sha256},
            "results": str(path),
        }
    print(to_json(report) if parsed.json else as_text(report))


def how_made(dataset: Dataset, chosen: Settings, setup: Setup) -> RunSettings:
    """Return what the results of a run depend on."""
    preset = presets.named(chosen.preset)
    model = preset.handle
    if preset.local:
        with contextlib.suppress(OSError):
            saved = (Path(preset.handle) / "metadata.json").read_bytes()
            model = hashlib.sha256(saved).hexdigest()
    return RunSettings(
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        preset=preset.name,
        model=model,
        backend=chosen.backend,
        **asdict(setup),
    )


def default_results(dataset: Dataset, chosen: Settings, setup: Setup) -> Path:
    """Return a file in `eval-results/` named after dataset, preset, backend and non-default settings."""
    parts = [dataset.name, chosen.preset, chosen.backend]
    if chosen.dtype != "auto":
        parts.append(chosen.dtype)
    if setup.layout != "psm":
        parts.append(setup.layout)
    if setup.hide_suffix:
        parts.append("no-suffix")
    if setup.max_new_tokens != infilling.DEFAULT_MAX_NEW_TOKENS:
        parts.append(f"{setup.max_new_tokens}-tokens")
    name = "-".join(re.sub(r"[^\w.]+", "-", part).strip("-") for part in parts)
    return FOLDER / f"{name}.jsonl"


async def evaluate(
    client: EngineClient,
    wanted: Sequence[Task],
    setup: Setup,
    file: ResultsFile,
    *,
    execute: bool = False,
) -> None:
    """Complete the file with a result for each task, one after the other.

    Args:
        client: not started yet; started if a middle is missing.
        execute: also run the test of each task that has one.

    Raises:
        BadInput, EngineError: a failure; earlier results are in the file.
    """
    missing = [task for task in wanted if task.task_id not in file.done]
    if missing or client.settings.dtype not in ("auto", file.dtype):
        client.start()
        await wait_for_model(client)
        status = client.status()
        infilling.check_room(setup.max_new_tokens, status.context_length)
        file.settle_dtype(str(status.dtype))
    if len(missing) < len(wanted):
        _say(f"{len(wanted) - len(missing)} of {len(wanted)} tasks are in {file.path} already")
    with _Progress(len(wanted)) as progress:
        for task in wanted:
            known = result = file.done.get(task.task_id)
            if result is None:
                result = _scored(task, await infilling.infill(client, task, setup))
            if execute and result.passed is None and task.test.strip():
                verdict = await execution.execute(execution.program(task, result.middle))
                result = replace(result, passed=verdict.passed, failure=verdict.failure)
            if result is not known:
                file.add(result)
            progress.show(result)


def _scored(task: Task, middle: infilling.InfilledMiddle) -> TaskResult:
    return TaskResult(
        task_id=task.task_id,
        middle=middle.text,
        stop_token=middle.stop_token,
        exact_match=scoring.exact_match(middle.text, task.canonical_solution),
        edit_similarity=scoring.edit_similarity(middle.text, task.canonical_solution),
        stopped=middle.stop_token is not None,
        parses=scoring.parses(fim.splice(task.prompt, middle.text, task.suffix)),
        prompt_tokens=middle.prompt_tokens,
        completion_tokens=middle.completion_tokens,
        trimmed_tokens=middle.trimmed_tokens,
        seconds=round(middle.seconds, 3),
    )


async def wait_for_model(client: EngineClient) -> None:
    """Wait for the model, and report each step.

    Raises:
        PlaygroundError: it failed to load.
    """
    shown = ""
    for status in coming_up.statuses(client):
        step = coming_up.step(status)
        if step != shown:
            _say(step)
            shown = step
        await asyncio.sleep(coming_up.LOOK_S)


class _Progress:
    """Progress of the run: one line that is overwritten in a terminal, else a line at intervals."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = self._exact = 0
        self._shown_s = 0.0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._terminal and self._number:
            _say("")  # start a new line

    def show(self, result: TaskResult) -> None:
        self._number += 1
        self._exact += result.exact_match
        line = f"{self._number}/{self._total} tasks, {self._exact} exact"
        if self._terminal:
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        elif self._number == self._total or time.monotonic() - self._shown_s >= PROGRESS_S:
            self._shown_s = time.monotonic()
            _say(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def as_text(report: dict[str, Any]) -> str:
    """Format the report as text."""
    choices = [report["preset"], report["backend"], report["dtype"], report["layout"]]
    if report["hide_suffix"]:
        choices.append("suffix hidden")
    lines = [
        Path(report["dataset"]).name,
        " · ".join([*choices, f"{report['max_new_tokens']} new tokens at most"]),
        "",
        f"tasks             {report['tasks']:>7}",
        f"exact match       {report['exact_match']:>7.1%}",
        f"edit similarity   {report['edit_similarity']:>7.3f}",
        f"stopped by itself {report['stopped']:>7.1%}",
        f"program parses    {report['parses']:>7.1%}",
    ]
    if "executed" in report:
        rate = report["pass_at_1"]
        lines.append(f"pass@1            {'-' if rate is None else f'{rate:.1%}':>7}")
        lines[-1] += f"  of {report['executed']} with a test"
    if report["trimmed"]:
        lines.append(f"prompt trimmed    {report['trimmed']:>7}")
    lines += [f"seconds           {report['seconds']:>7.1f}", "", f"each task: {report['results']}"]
    return "\n".join(lines)
