"""Runs a task's test on the program with the new middle, in a contained process with a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import fim
from codegemma_ui.errors import BadInput
from codegemma_ui.evaluation.tasks import Task

TIME_LIMIT_S = 10.0

GRACE_S = 1.0
"""Seconds that a program has left once it was told that its time is up, as in HumanEval's own harness."""

LIMITS = {"memory_bytes": 2**30, "cpu_s": int(TIME_LIMIT_S + GRACE_S), "folder_bytes": 2**24}

WARNING = (
    "warning: --execute runs code that a model wrote, without network, without a folder to write to but "
    f"an empty one, for at most {TIME_LIMIT_S:g} s and 1 GiB each. It can still read your files."
)

_CONTAINMENT = Path(__file__).with_name("containment.py")


@dataclass(frozen=True)
class Verdict:
    """Whether a program ended by itself without an exception, and if not, why: the verdict of HumanEval's own
    harness, but for what `containment` says."""

    passed: bool
    failure: str | None = None


def program(task: Task, middle: str) -> str:
    """The program with its test, put together as HumanEval does."""
    whole = fim.splice(task.prompt, middle, task.suffix)
    return f"{whole}\n{task.test}\ncheck({task.entry_point})\n"


def check_system() -> None:
    """Refuse a system whose kernel cannot contain a program.

    Raises:
        BadInput: it is not Linux.
    """
    if sys.platform != "linux":
        raise BadInput(
            "--execute needs Linux, which alone can contain what a model wrote: leave it out here. "
            f"Received: {sys.platform}"
        )


async def check_containment() -> None:
    """Whether programs can be contained here at all.

    Raises:
        BadInput: they cannot, and are not run.
    """
    check_system()
    await execute("pass")


async def execute(source: str, time_limit_s: float = TIME_LIMIT_S) -> Verdict:
    """Run a program in an empty folder, with an empty environment, cut off from the network.

    Args:
        source: of the whole program.
        time_limit_s: seconds until an exception is raised in it; `GRACE_S` later it is killed, with whatever
            it started.

    Raises:
        BadInput: it could not be contained; it has not been run.
    """
    with tempfile.TemporaryDirectory(prefix="codegemma-ui-eval-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(_CONTAINMENT), "contain", json.dumps(LIMITS)),
            str(time_limit_s),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=folder,
            env={"LANG": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            told = process.communicate(source.encode())
            output, _ = await asyncio.wait_for(told, time_limit_s + GRACE_S)
        except TimeoutError:
            return Verdict(False, "time limit")
        finally:  # also where the whole run is interrupted
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()
    return _verdict(output.decode(errors="replace").splitlines())


def _kill_group(leader: int) -> None:
    if sys.platform != "win32":  # see `check_system`
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)


def _verdict(report: list[str]) -> Verdict:
    match report:
        case ["contained", "passed"]:
            return Verdict(True)
        case ["contained", "timed out"]:
            return Verdict(False, "time limit")
        case ["contained", outcome]:
            return Verdict(False, outcome.removeprefix("failed "))
        case ["contained"]:
            return Verdict(False, "ended early")
        case _:
            refused = " ".join(report).removeprefix("refused ") or "no answer"
            raise BadInput(
                "--execute needs Linux 5.12 or newer that lets a user make namespaces "
                "(kernel.unprivileged_userns_clone, AppArmor, or the container's seccomp). "
                f"Nothing was run without them. Received: {refused}.",
                "Run it elsewhere, or leave --execute out.",
            )
