"""Folders for disposable data, and why one cannot be used.

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
"""Minimum free bytes: below, the disk would fill up before a model's programs are stored (up to 10 MB)."""

ELSEWHERE = "Set XDG_CACHE_HOME to a writable folder."


@dataclass(frozen=True)
class Usable:
    """A folder, or why there is none.

    Attributes:
        folder: an existing, writable folder; None if unusable.
        problem: which folder and why, as a sentence without a full stop; empty if usable.
    """

    folder: Path | None
    problem: str = ""


def usable(*names: str) -> Usable:
    """Return a folder below the cache folder, created if missing.

    Args:
        names: path below it.
    """
    try:
        folder = installation.cache_folder().joinpath(*names)
    except RuntimeError:
        return Usable(None, "this user has no home folder, and XDG_CACHE_HOME is not set")
    problem = problem_of(folder)
    return Usable(None, problem) if problem else Usable(folder)


def problem_of(folder: Path) -> str:
    """Return why a folder cannot be used as a cache; empty if it can. It is created if missing."""
    shown = os.fsencode(folder).decode("utf-8", "replace")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder) as probe:  # for root, access() is meaningless
            probe.write(b"1")
            probe.flush()
        # Another user's folders may be unwritable, even if new ones can be created.
        for below in folder.iterdir():
            if below.is_dir() and not os.access(below, os.R_OK | os.W_OK | os.X_OK):
                return f"{shown}: {below.name} in it cannot be written"
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            return f"{shown}: a file is where a folder is needed"
        return f"{shown}: {error.strerror or error}"
    if free < LEAST_FREE:
        return f"{shown}: its disk has {free / 1e6:.0f} MB left, {LEAST_FREE / 1e6:.0f} are needed"
    return ""


def private_temporary(name: str, among: str | None = None) -> Path:
    """Return a folder of this user's among the temporary files, the same one at each call.

    Args:
        name: name of the folder.
        among: parent folder; None for the system's default.

    Raises:
        OSError: there is no space for temporary files.
    """
    among = among or tempfile.gettempdir()
    folder = Path(among) / installation.DISTRIBUTION  # on Windows the parent is private already
    if sys.platform != "win32":
        folder = folder.with_name(f"{folder.name}-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if sys.platform != "win32":
        # The name is predictable: another user may have created it first, or placed a link there.
        found = folder.lstat()
        owned = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not owned or found.st_mode & 0o022:
            folder = Path(tempfile.mkdtemp(prefix=f"{installation.DISTRIBUTION}-", dir=among))
    below = folder / name
    below.mkdir(exist_ok=True)
    return below


def settle_matplotlib() -> None:
    """Keep matplotlib, imported by Gradio and by Keras outside a worker, from creating folders at each start.

    It does so (3.11) if its own folder, which is beside ours, cannot be created.
    """
    if "MPLCONFIGDIR" not in os.environ and usable().folder is None:
        with contextlib.suppress(OSError):
            os.environ["MPLCONFIGDIR"] = str(private_temporary("matplotlib"))


def empty(folder: Path) -> bool:
    """Delete a folder's contents; return whether there was anything and all of it is gone."""
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
