"""The reason why a model's process ended, as far as it can be determined.

An exit code alone says little: -9 is an out-of-memory kill, or one by a user or a container runtime. Memory
is named as the cause if the system counted an out-of-memory kill, or if the estimate suggests it.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from codegemma_ui import secrets
from codegemma_ui.errors import LoadFailed
from codegemma_ui.machine import framework_variables

NEAR = 0.8
"""The share of free memory that a model must need for memory to be the likely reason for a kill."""

_OF_A_PROGRAM = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP")
"""Signals that a process causes itself, e.g. by running damaged machine code."""

_FATAL = re.compile(
    r"^F\d{4} |\bfatal\b|terminate called|what\(\):|Check failed|Aborted|^\w*(Error|Exception)\b"
    r"|Unknown flag",
    re.IGNORECASE,
)
_LOG_PREFIX = re.compile(r"^[A-Z]\d{4} [\d:. ]*\d+ +\S+:\d+\] ")
"""The prefix of glog and absl: level, day, time, thread and source."""


def oom_kills() -> int | None:
    """Return the number of out-of-memory kills on this machine or in this container; None if unknown.

    Source: cgroup v2's memory.events (https://docs.kernel.org/admin-guide/cgroup-v2.html), else /proc/vmstat.
    """
    for place in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        try:
            found = re.search(
                r"^oom_kill (\d+)$", Path(place).read_text(encoding="ascii"), re.MULTILINE
            )
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def last_line(stderr: str) -> str:
    """Return the last line of stderr that looks like a fatal error; empty if none does."""
    lines = [line.strip() for line in stderr.splitlines()]
    fatal = next((line for line in reversed(lines) if _FATAL.search(line)), "")
    shown = secrets.masked(_LOG_PREFIX.sub("", fatal), secrets.values())
    return shown if len(shown) <= 300 else f"{shown[:297]}..."


def signal_of(exit_code: int) -> str | None:
    """Return the name of the signal that ended a process, or None if none did."""
    try:
        return signal.Signals(-exit_code).name if exit_code < 0 else None
    except ValueError:
        return None


def is_a_programs_own(exit_code: int) -> bool:
    """Return whether it was ended by a signal that a process causes itself."""
    return signal_of(exit_code) in _OF_A_PROGRAM


class EndedWhileLoading(LoadFailed):
    """A model's process ended before its model was up, without an error message of its own.

    Args:
        exit_code: its exit code.
        stderr: the end of its stderr.
        times: how often in a row.
        hung: whether it was ended here because it no longer responded.
        killed_for_memory: whether the system counted an out-of-memory kill meanwhile.
        need_bytes: estimated memory of its model, if known.
        free_bytes: free memory when it started, if known.
        needs_less: the hint if memory was too little.

    Attributes:
        explained: whether its last output names the cause, so that a restart would fail too.
    """

    def __init__(
        self,
        exit_code: int,
        stderr: str = "",
        times: int = 1,
        *,
        hung: bool = False,
        killed_for_memory: bool = False,
        need_bytes: int | None = None,
        free_bytes: int | None = None,
        needs_less: str = "",
    ) -> None:
        last_output, name = last_line(stderr), signal_of(exit_code)
        variables = framework_variables.named_in(last_output)
        often = f" {times} times" if times > 1 else ""
        message = f"The model's process ended{often} while loading (exit code {exit_code})."
        if hung:
            message = f"The model's process stopped responding while loading and was ended{often}."
        elif name:
            message += f" It was ended by {name}."
        if last_output:
            message += f" Its last output: {last_output.rstrip('.')}."
        super().__init__(
            message,
            _hint(
                variables,
                None if hung else name,
                killed_for_memory,
                need_bytes,
                free_bytes,
                needs_less,
            ),
        )
        self.exit_code, self.explained = exit_code, bool(variables)


def _hint(
    variables: tuple[str, ...],
    name: str | None,
    killed_for_memory: bool,
    need_bytes: int | None,
    free_bytes: int | None,
    needs_less: str,
) -> str:
    if variables:
        return framework_variables.correct(variables)
    if name == "SIGKILL" and killed_for_memory:
        return f"The system killed it because memory ran out. {needs_less}".strip()
    if name == "SIGKILL" and need_bytes and free_bytes and need_bytes > NEAR * free_bytes:
        return (
            f"The system killed it. It needs about {need_bytes / 1e9:.1f} GB of the "
            f"{free_bytes / 1e9:.1f} GB that were free, so memory is the likely reason. {needs_less}"
        ).strip()
    if name in ("SIGKILL", "SIGTERM"):
        return "The system or a user ended it; the reason is unknown."
    return "See the log for the rest of its output."
