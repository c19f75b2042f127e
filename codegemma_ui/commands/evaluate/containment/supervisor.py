"""First process of the namespaces: start the program, watch it, and determine the verdict.

The kernel delivers it no signal from inside, and kills everything inside when it ends, including processes
that were stopped, left in the background or forked without end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from codegemma_ui.commands.evaluate.containment import (
    linux,
    memory_usage,
    namespaces,
    program,
    root,
    syscalls,
)
from codegemma_ui.commands.evaluate.containment.group import Group
from codegemma_ui.commands.evaluate.containment.plan import Plan

assert sys.platform == "linux"  # `execution` runs it nowhere else

POLL_S = 0.02
"""Seconds between two checks of the program's memory."""

REPORT_BYTES = 4096
"""Maximum report size. Longer ones are not ours, and their rest is not read."""

START_S = 20.0
"""Seconds the interpreter may take to start on a busy machine; not counted as the program's."""

OPEN_FILES = 64


def supervise(plan: Plan, source: bytes, group: Group | None) -> None:
    """Build the root, run the program in it, and print the outcome (see the package)."""
    with contextlib.suppress(OSError):
        # In namespaces of its own the program would have all rights. A read-only /proc/sys prevents this.
        limit = Path("/proc/sys/user/max_user_namespaces")
        limit.write_text("0", encoding="ascii")
    os.setsid()  # the program may signal its process group, which must not include outside processes
    nowhere = os.open(os.devnull, os.O_RDWR)
    has_processes = root.change_to(plan, program.__file__)
    linux.be_unreadable()
    # Python's own handler would accept it from inside.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _report_limitations(plan, group, has_processes)
    print("contained", flush=True)

    word = os.urandom(program.WORD_BYTES // 2).hex().encode()
    report, outcome_end = os.pipe()
    started, tell_started = os.pipe()
    given = os.memfd_create("given")
    with os.fdopen(os.dup(given), "wb") as file:
        file.write(source + word)
    os.lseek(given, 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        try:
            _become(plan, group, [nowhere, nowhere, nowhere, outcome_end, given, tell_started])
        except BaseException as error:
            os.write(outcome_end, f"failed cannot start: {error}".encode(errors="replace"))
        os._exit(1)
    for descriptor in (outcome_end, given, tell_started):
        os.close(descriptor)
    watches = has_processes and group is None
    outcome = _watch(child, started, report, plan, word, watches=watches)
    if outcome != "passed" and group is not None and group.was_full():
        outcome = "failed memory limit"
    print(outcome, flush=True)


def _report_limitations(plan: Plan, group: Group | None, has_processes: bool) -> None:
    size = f"{plan.memory_bytes / 2**30:g} GiB"
    if group is None and has_processes:
        print(
            f"note No memory group (cgroup v2) can be created here: each process has at most {size}; the "
            f"total of a program's processes is checked every {POLL_S:g} s, and kernel memory is not "
            "counted."
        )
    elif group is None:
        print(
            f"note Neither a memory group (cgroup v2) nor a /proc can be created here: the {size} are for "
            f"each process of a program, which may have {plan.processes}."
        )
    if not syscalls.can_be_refused():
        print(
            "note System calls cannot be filtered here (seccomp): programs can use sockets of families other "
            "than IP and memory that belongs to no process."
        )


def _become(plan: Plan, group: Group | None, descriptors: list[int]) -> NoReturn:
    """Become the program: in the group, limited, without rights, with only these descriptors."""
    if group is not None:
        group.enter()
    for kind, limit in (
        (resource.RLIMIT_AS, plan.memory_bytes),
        (resource.RLIMIT_CPU, plan.cpu_s),
        (resource.RLIMIT_FSIZE, plan.folder_bytes),
        (resource.RLIMIT_NPROC, plan.processes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(*[namespaces.USER] * 3)
        os.setresuid(*[namespaces.USER] * 3)
    linux.gain_no_rights()
    if syscalls.can_be_refused():
        syscalls.refuse()

    above = len(descriptors)
    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in descriptors]
    for number, descriptor in enumerate(kept):
        os.dup2(descriptor, number)
    os.closerange(above, 1 << 16)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    arguments = [plan.executable, "-I", root.RUNNER, str(plan.time_limit_s)]
    os.execve(plan.interpreter, arguments, {"LANG": "C.UTF-8"})


def _watch(child: int, started: int, report: int, plan: Plan, word: bytes, *, watches: bool) -> str:
    """Wait until the program has ended, or exceeded its time or memory."""
    deadline = time.monotonic() + START_S
    os.set_blocking(report, False)
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    poll.register(started, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if any(descriptor == started for descriptor, _ in poll.poll(min(left, POLL_S) * 1000)):
            poll.unregister(started)
            deadline = time.monotonic() + plan.time_limit_s + plan.grace_s
        status = _reap(child)
        if status is not None:
            message = _read(report)
            return "passed" if status == 0 and word in message else _failure(message, status)
        if watches and memory_usage.is_over(plan.memory_bytes):
            return "failed memory limit"
    return "failed time limit"


def _reap(child: int) -> int | None:
    """Reap ended processes, so that they no longer count; return the child's status if it is one of them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            if process == child:
                found = status
    return found


def _read(report: int) -> bytes:
    with contextlib.suppress(BlockingIOError):
        return os.read(report, REPORT_BYTES)
    return b""


def _failure(message: bytes, status: int) -> str:
    """Return the reason it reports; this may be anything, except that it has passed."""
    text = message.decode(errors="replace")
    if os.WIFEXITED(status) and text.startswith("failed ") and text.isprintable():
        return text[:200]
    return "failed ended early"
