"""New namespaces, and a first process in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from codegemma_ui.commands.evaluate.containment import linux

assert sys.platform == "linux"  # `execution` runs it nowhere else

USER = 1000
"""The program's user and group, by its own numbering."""

OUTSIDE_USER = 65534
"""Outside user of root's programs: Linux does not limit the number of processes for root itself."""

_ALL = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)


def run(first: Callable[[], None]) -> None:
    """Call `first` in the first process of new namespaces; return once all processes in them have ended.

    The first process has all rights in them. Its user there is 0 if root called this, else `USER`.

    Raises:
        OSError: this machine does not allow it.
    """
    unshared, tell_unshared = os.pipe()
    mapped, tell_mapped = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(unshared)
        os.close(tell_mapped)
        _in_child(first, tell_unshared, mapped)
    os.close(tell_unshared)
    os.close(mapped)
    reason = _read_all(unshared)
    try:
        if reason != "done":
            raise OSError(reason or "unshare: no answer")
        _map_users(Path("/proc") / str(child))
        os.write(tell_mapped, b"go")
    finally:
        os.close(tell_mapped)  # nothing written: the child exits
        os.waitpid(child, 0)


def _in_child(first: Callable[[], None], tell_unshared: int, mapped: int) -> None:
    try:
        linux.end_with_parent()
        linux.unshare(_ALL)
        os.write(tell_unshared, b"done")
    except OSError as error:
        os.write(tell_unshared, str(error.strerror).encode())
        os._exit(1)
    os.close(tell_unshared)
    if os.read(mapped, 2) != b"go":
        os._exit(1)
    child = os.fork()  # the first process of the new process namespace
    if child == 0:
        try:
            linux.end_with_parent()
            first()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os._exit(0)


def _map_users(process: Path) -> None:
    """Define the users inside; only a process outside may name users other than its own."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        for kind in ("uid_map", "gid_map"):
            (process / kind).write_text(f"0 0 1\n{USER} {OUTSIDE_USER} 1\n", encoding="ascii")
    else:
        (process / "setgroups").write_text("deny", encoding="ascii")
        (process / "uid_map").write_text(f"{USER} {user} 1", encoding="ascii")
        (process / "gid_map").write_text(f"{USER} {group} 1", encoding="ascii")


def _read_all(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode(errors="replace")
