"""Why a model's process ended, as far as anything shows it.

An exit code alone says little: -9 is what the system does where memory runs out, and what a person or a
container's keeper does too. Memory is named where the system counted a kill for it, or where the sum says so.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from codegemma_ui import secrets
from codegemma_ui.errors import LoadFailed
from codegemma_ui.machine import framework_variables

NEAR = 0.8
"""The share of the free memory that a model's sum must come to, to be the likely reason for a kill."""

_OF_A_PROGRAM = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP")
"""Signals that a process brings on itself, as one does that runs damaged machine code."""

_FATAL = re.compile(
    r"^F\d{4} |\bfatal\b|terminate called|what\(\):|Check failed|Aborted|^\w*(Error|Exception)\b"
    r"|Unknown flag",
    re.IGNORECASE,
)
_LOG_PREFIX = re.compile(r"^[A-Z]\d{4} [\d:. ]*\d+ +\S+:\d+\] ")
"""Of glog and absl: level, day, time, thread and source."""


def oom_kills() -> int | None:
    """How often this machine, or this container, has killed a process for want of memory.

    None where no file says:
    cgroup v2's memory.events (https://docs.kernel.org/admin-guide/cgroup-v2.html), else /proc/vmstat.
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
    """What a process said of its end: the last line that speaks of one; empty where none does."""
    lines = [line.strip() for line in stderr.splitlines()]
    said = next((line for line in reversed(lines) if _FATAL.search(line)), "")
    shown = secrets.masked(_LOG_PREFIX.sub("", said), secrets.values())
    return shown if len(shown) <= 300 else f"{shown[:297]}..."


def signal_of(exit_code: int) -> str | None:
    """The name of the signal that ended a process, or None where none did."""
    try:
        return signal.Signals(-exit_code).name if exit_code < 0 else None
    except ValueError:
        return None


def is_a_programs_own(exit_code: int) -> bool:
    """Whether a signal ended it that a process brings on itself."""
    return signal_of(exit_code) in _OF_A_PROGRAM


class EndedWhileLoading(LoadFailed):
    """A model's process ended before its model was up, without telling why.

    Args:
        exit_code: its exit code.
        stderr: the last that it wrote there.
        times: how often in a row.
        hung: it was ended here, since it no longer answered.
        killed_for_memory: the system counted a kill for want of memory meanwhile.
        need_bytes: what its model needs by the table, where known.
        free_bytes: what was free when it started, where known.
        needs_less: what to do where memory was too little.

    Attributes:
        explained: its last words say what is wrong: it would end so again.
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
        said, name = last_line(stderr), signal_of(exit_code)
        variables = framework_variables.named_in(said)
        often = f" {times} times" if times > 1 else ""
        message = f"The model's process ended{often} while loading (exit code {exit_code})."
        if hung:
            message = f"The model's process no longer answered while loading, and was ended{often}."
        elif name:
            message += f" {name} ended it."
        if said:
            message += f" Its last words: {said.rstrip('.')}."
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
        return f"The system killed it since memory ran out. {needs_less}".strip()
    if name == "SIGKILL" and need_bytes and free_bytes and need_bytes > NEAR * free_bytes:
        return (
            f"The system killed it. It needs about {need_bytes / 1e9:.1f} GB of the "
            f"{free_bytes / 1e9:.1f} GB that were free, so memory is the likely reason. {needs_less}"
        ).strip()
    if name in ("SIGKILL", "SIGTERM"):
        return "The system, or somebody on it, ended it; nothing here says why."
    return "The log has the rest of what it said."
