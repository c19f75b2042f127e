"""Process groups with a common memory limit: Linux control groups, version 2.

https://docs.kernel.org/admin-guide/cgroup-v2.html: a group can be created below one that gives its children
the memory controller, by users with write access: root, or a user to whom systemd has delegated a part of the
tree.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from codegemma_ui.machine import cgroups

_NUMBERS = itertools.count()


@contextlib.contextmanager
def made(memory_bytes: int, processes: int) -> Iterator[Path | None]:
    """Create a group for one program, and remove it when its processes have ended.

    Args:
        memory_bytes: limit for all of them together, with swap disabled.
        processes: maximum number of processes.

    Yields:
        Its folder, or None if none can be created.
    """
    group = _make(memory_bytes, processes)
    try:
        yield group
    finally:
        if group is not None:
            with contextlib.suppress(OSError):
                group.rmdir()


def _make(memory_bytes: int, processes: int) -> Path | None:
    for parent in cgroups.groups_of_version_2():
        group = parent / f"codegemma-ui-eval-{os.getpid()}-{next(_NUMBERS)}"
        try:
            if "memory" not in _read(parent / "cgroup.subtree_control").split():
                continue
            group.mkdir()
        except OSError:
            continue
        try:
            _write(group / "memory.max", memory_bytes)
            # The whole group is killed with the process that exceeds it. Kernels may lack some of these.
            for file, value in (
                ("memory.oom.group", 1),
                ("memory.swap.max", 0),
                ("pids.max", processes),
            ):
                with contextlib.suppress(OSError):
                    _write(group / file, value)
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        return group
    return None


def _read(file: Path) -> str:
    return file.read_text(encoding="ascii")


def _write(file: Path, value: int) -> None:
    descriptor = os.open(file, os.O_WRONLY)  # never created here: it exists or is unavailable
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)
