"""Run a task's test on the program with the new middle, in a contained process with a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import fim
from codegemma_ui.commands.evaluate import interpreter, memory_group
from codegemma_ui.commands.evaluate.containment.plan import Plan
from codegemma_ui.commands.evaluate.tasks import Task
from codegemma_ui.errors import BadInput

TIME_LIMIT_S = 10.0

GRACE_S = 1.0
"""Seconds that a program has after its time-limit exception, as in HumanEval's own harness."""

CPU_S = int(TIME_LIMIT_S + GRACE_S)
MEMORY_BYTES = 2**30
FOLDER_BYTES = 2**24
PROCESSES = 64

START_S = 30.0
"""Seconds that containment and interpreter may take on a busy machine before the run is abandoned."""

WARNING = (
    "warning: --execute runs code that a model wrote, each program without network, with no files but this "
    f"Python's, the system's programs and an empty folder, for at most {TIME_LIMIT_S:g} s and 1 GiB."
)

_CONTAINMENT = Path(__file__).with_name("containment")


@dataclass(frozen=True)
class Verdict:
    """Outcome of a program: passed if it ended by itself without an exception, else why not. As in
    HumanEval's own harness, apart from the differences listed in `containment`."""

    passed: bool
    failure: str | None = None


def program(task: Task, middle: str) -> str:
    """Return the program with its test, assembled as in HumanEval."""
    whole = fim.splice(task.prompt, middle, task.suffix)
    return f"{whole}\n{task.test}\ncheck({task.entry_point})\n"


def check_system() -> None:
    """Refuse systems whose kernel cannot contain a program.

    Raises:
        BadInput: it is not Linux.
    """
    if sys.platform != "linux":
        raise BadInput(
            "--execute needs Linux, the only system on which model-written code can be contained: omit it. "
            f"Received: {sys.platform}"
        )


async def check_containment() -> list[str]:
    """Check that programs can be contained here at all.

    Returns:
        A sentence for each feature that this machine lacks.

    Raises:
        BadInput: they cannot, and are not run.
    """
    check_system()
    verdict, lacks = await _run("pass", TIME_LIMIT_S)
    if not verdict.passed:
        raise BadInput(
            "--execute cannot run this Python inside the containment: a program that does nothing did not "
            f"end. Received: {verdict.failure}.",
            "If run as root, its folders must be readable for every user. Run it elsewhere, or omit "
            "--execute.",
        )
    return lacks


async def execute(source: str, time_limit_s: float = TIME_LIMIT_S) -> Verdict:
    """Run a program in an empty folder, with an empty environment, isolated from everything else.

    Args:
        source: source of the whole program.
        time_limit_s: seconds until an exception is raised in it; `GRACE_S` later it is killed, with all its
            children.

    Raises:
        BadInput: it could not be contained, and was not run.
    """
    verdict, _ = await _run(source, time_limit_s)
    return verdict


async def _run(source: str, time_limit_s: float) -> tuple[Verdict, list[str]]:
    with (
        tempfile.TemporaryDirectory(prefix="codegemma-ui-eval-") as folder,
        memory_group.made(MEMORY_BYTES, PROCESSES) as group,
    ):
        plan = Plan(
            executable=sys.executable,
            interpreter=str(Path(sys.executable).resolve()),
            folders=interpreter.folders(),
            time_limit_s=time_limit_s,
            grace_s=GRACE_S,
            cpu_s=CPU_S,
            memory_bytes=MEMORY_BYTES,
            folder_bytes=FOLDER_BYTES,
            processes=PROCESSES,
            memory_group=None if group is None else str(group),
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_CONTAINMENT), plan.to_json()),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=folder,
            env={"LANG": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            # The supervisor ends it in time. This is for the case that the supervisor itself hangs.
            communication = process.communicate(source.encode())
            output, _ = await asyncio.wait_for(communication, START_S + time_limit_s + GRACE_S)
        except TimeoutError:
            return Verdict(False, "time limit"), []
        finally:  # also if the whole run is interrupted
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()
    report = output.decode(errors="replace").splitlines()
    lacks = [line.removeprefix("note ") for line in report if line.startswith("note ")]
    return _verdict(report[len(lacks) :]), lacks


def _kill_group(leader: int) -> None:
    if sys.platform != "win32":  # see `check_system`
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)


def _verdict(report: list[str]) -> Verdict:
    match report:
        case ["contained", "passed"]:
            return Verdict(True)
        case ["contained", outcome] if outcome.startswith("failed "):
            return Verdict(False, outcome.removeprefix("failed "))
        case ["contained"]:
            return Verdict(False, "ended early")
        case _:
            refused = report[-1].removeprefix("refused ") if report else "no answer"
            raise BadInput(
                "--execute needs Linux 5.12 or newer that lets users create namespaces "
                "(kernel.unprivileged_userns_clone, AppArmor, or the container's seccomp). "
                f"Nothing was run without them. Received: {refused}.",
                "Run it elsewhere, or omit --execute.",
            )
