"""Remake everything that hangs on the bundled model's weights, after a training: `make weights`.

Needs the held-out tasks that `training` leaves in `--folder`; takes about half an hour on two quiet cores.
`git diff` shows what changes; `--only contract` remakes one part.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from codegemma_ui.client.client import EngineClient
from codegemma_ui.fim.scoring import parses
from codegemma_ui.ipc.messages import DoneEvent
from codegemma_ui.settings import Settings
from codegemma_ui.ui import examples
from codegemma_ui.ui.examples import Example
from tools import first_completion


def judged() -> list[tuple[Example, str, str]]:
    """Complete every example, and return it with its middle and what became of it.

    "good" if the model stopped by itself and the program parses, else "unfinished" or "does not parse": what
    is not good must be marked hard, and hard ones come last. Whether a good one also makes sense is for a
    person to see.
    """
    return asyncio.run(_judged())


async def _judged() -> list[tuple[Example, str, str]]:
    client = EngineClient(Settings(preset="bundled", dtype="float32"))
    client.start()
    try:
        runs = [(one, await first_completion.completed(client, one)) for one in examples.EXAMPLES]
    finally:
        client.close()
    found = []
    for one, run in runs:
        program = one.prefix + run.middle + one.suffix
        last = run.progress and run.progress.last
        stopped = isinstance(last, DoneEvent) and last.stop_reason == "stop_token"
        outcome = "unfinished" if not stopped else "good" if parses(program) else "does not parse"
        found.append((one, run.middle, outcome))
    return found


def show_examples() -> None:
    """Print each example's outcome beside its mark."""
    for one, middle, outcome in judged():
        mark = "hard" if one.hard else "    "
        print(f"{one.key:16} {mark} {outcome:15} {middle[:60]!r}")


def module(*command: str) -> Callable[[], object]:
    """Return a call of `python -m`, which raises CalledProcessError if it fails."""
    return partial(subprocess.run, [sys.executable, "-m", *command], check=True)


def parts(folder: Path) -> dict[str, Callable[[], object]]:
    """Return how each part is remade, in order: a later one shows figures of an earlier one."""
    return {
        "figures": module("training.figures", "--folder", str(folder)),
        "precisions": module("training.precisions"),
        "first completion": module("tools.first_completion"),
        "examples": show_examples,
        "contract": module("tests.contract.record"),
        "screenshots": module("tools.screenshots"),
        "journeys": module("tools.journeys"),
    }


def main() -> None:
    """Remake all parts, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--only", nargs="+", metavar="PART", choices=[*parts(Path())])
    given = parser.parse_args()
    for name, remake in parts(given.folder).items():
        if not given.only or name in given.only:
            begun = time.monotonic()
            remake()
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
