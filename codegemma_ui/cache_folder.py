"""Folders for what may be thrown away, and why one cannot be used.

A cache never decides whether anything runs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from codegemma_ui import installation

LEAST_FREE = 64 * 2**20
"""Bytes: with less on its disk a cache is full before a model's programs are kept (up to 10 MB of them)."""

ELSEWHERE = "Name a folder that can be written in XDG_CACHE_HOME."


@dataclass(frozen=True)
class Usable:
    """A folder, or why there is none.

    Attributes:
        folder: exists and can be written; None where it cannot be used.
        problem: which folder and why, a sentence without its full stop; empty where it can be used.
    """

    folder: Path | None
    problem: str = ""


def usable(*names: str) -> Usable:
    """A folder below the cache folder, made where it is not there.

    Args:
        names: the path below it.
    """
    try:
        folder = installation.cache_folder().joinpath(*names)
    except RuntimeError:
        return Usable(None, "this user has no home folder, and XDG_CACHE_HOME is not set")
    problem = problem_of(folder)
    return Usable(None, problem) if problem else Usable(folder)


def problem_of(folder: Path) -> str:
    """Why a folder cannot be used as a cache; empty where it can. It is made where it is not there."""
    shown = os.fsencode(folder).decode("utf-8", "replace")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder) as probe:  # as root, access() would say nothing
            probe.write(b"1")
            probe.flush()
        # Those of another user cannot be written, even where new ones can.
        for below in folder.iterdir():
            if below.is_dir() and not os.access(below, os.R_OK | os.W_OK | os.X_OK):
                return f"{shown}: {below.name} in it cannot be written"
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            return f"{shown}: a file stands where a folder is needed"
        return f"{shown}: {error.strerror or error}"
    if free < LEAST_FREE:
        return f"{shown}: its disk has {free / 1e6:.0f} MB left, {LEAST_FREE / 1e6:.0f} are needed"
    return ""


def private_temporary(name: str, among: str | None = None) -> Path:
    """A folder of this user's among the temporary files, the same one at each call.

    Args:
        name: of the folder.
        among: where temporary files are; None asks the system.

    Raises:
        OSError: there is no room for temporary files.
    """
    among = among or tempfile.gettempdir()
    folder = Path(among) / installation.DISTRIBUTION  # on Windows the place is the user's own
    if sys.platform != "win32":
        folder = folder.with_name(f"{folder.name}-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if sys.platform != "win32":
        # Its name is known to everyone: another user may have made it first, or put a link there.
        found = folder.lstat()
        owned = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not owned or found.st_mode & 0o022:
            folder = Path(tempfile.mkdtemp(prefix=f"{installation.DISTRIBUTION}-", dir=among))
    below = folder / name
    below.mkdir(exist_ok=True)
    return below


def settle_matplotlib() -> None:
    """Have matplotlib, which both Gradio and KerasHub import, not make a new folder at each start.

    It does where its own, which is beside ours, cannot be made (3.11).
    """
    if "MPLCONFIGDIR" not in os.environ and usable().folder is None:
        with contextlib.suppress(OSError):
            os.environ["MPLCONFIGDIR"] = str(private_temporary("matplotlib"))


def empty(folder: Path) -> bool:
    """Throw away what is in a folder; whether anything was and all of it is gone."""
    try:
        there = list(folder.iterdir())
        for one in there:
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()
    except OSError:
        return False
    return bool(there)
