"""Where compiled programs outlive the process: a folder of ours for each backend, or none.

What a person has set for a framework's own cache stays. A file in ours that is damaged is thrown away, with
the rest of that folder (a few MB, made again as programs are compiled). Frameworks find some damage
themselves; a flipped bit in machine code they run, so sums of what was compiled are kept beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import struct
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegemma_ui import cache_folder

PLAIN = re.compile(r"[\w./+,@%:=-]+", re.ASCII)
"""Paths that inductor (torch 2.13) can name in a compiler's command line, which it does not quote."""

SUMS = "sums.json"

MAX_KEPT_BYTES = 2**30
"""Of one backend's programs. Where there are more, those that were used longest ago go, down to half: of an
older version, of models that nobody runs any more."""

_folder: Path | None = None  # of ours, in use by this process
_problem = ""
_damaged = ""
_given_up: Path | None = None  # of ours, not used because the last process failed on it


def use(backend: str, keep: bool = True) -> None:
    """Tell a framework where to keep what it compiles, before it is imported.

    Args:
        backend: of Keras.
        keep: False leaves our folder alone: what it holds is thrown away once `came_up()` tells that the
            model loads without it.
    """
    global _folder, _problem, _damaged, _given_up
    _folder, _problem, _damaged, _given_up = None, "", "", None
    found = cache_folder.usable(backend)
    _USE[backend](found if keep else cache_folder.Usable(None))
    if not keep:
        _given_up = found.folder
    elif _folder is not None:
        if not _is_whole(_folder):
            throw_away()
        trim(_folder, MAX_KEPT_BYTES)


def trim(folder: Path, most_bytes: int) -> None:
    """Where a folder holds more than that, take away what was used longest ago, down to half of it."""
    kept: list[tuple[float, int, Path]] = []
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process takes it away
            found = file.stat()
            if file.is_file() and file.name != SUMS:
                kept.append((max(found.st_atime, found.st_mtime), found.st_size, file))
    total = sum(size for _, size, _ in kept)
    if total <= most_bytes:
        return
    for _, size, file in sorted(kept):
        if total <= most_bytes / 2:
            return
        with contextlib.suppress(OSError):
            file.unlink()
            total -= size


def note() -> str | None:
    """What a person should know of it; None where there is nothing to say."""
    if _problem:
        return (
            f"Compiled programs are not kept, so each start compiles anew: {_problem}. "
            f"{cache_folder.ELSEWHERE}"
        )
    return _damaged or None


def throw_away() -> bool:
    """Throw away what was kept, since something in it cannot be read; False where there is nothing.

    Only once: what this process has compiled itself is not damaged.
    """
    global _damaged
    if _folder is None or _damaged or not cache_folder.empty(_folder):
        return False
    _damaged = _made_again(_folder)
    return True


def came_up() -> None:
    """The model has loaded. If it did so without our folder, what that holds was damaged."""
    global _damaged, _given_up
    if _given_up is not None and cache_folder.empty(_given_up):
        _damaged = _made_again(_given_up)
    _given_up = None


def in_use() -> bool:
    """Whether programs that an earlier process left may be read."""
    return _folder is not None


def remember() -> None:
    """Everything is compiled: keep sums of it, for the next process to hold it against."""
    if _folder is None:
        return
    sums = _sums_of(_folder)
    with contextlib.suppress(OSError):
        beside = _folder.parent / f".{_folder.name}-{os.getpid()}"
        beside.write_text(json.dumps(sums), encoding="ascii")
        beside.replace(_folder / SUMS)


def _is_whole(folder: Path) -> bool:
    """Whether nothing shows that a file is damaged."""
    try:
        known = json.loads((folder / SUMS).read_bytes())
        now = _sums_of(folder)
        if any(
            now.get(name, crc) != crc for name, crc in known.items()
        ):  # one that is gone is no damage
            return False
    except FileNotFoundError:  # that process did not get so far
        pass
    except (OSError, ValueError, AttributeError):
        return False
    return sys.platform != "linux" or all(map(_is_library, folder.rglob("*.so")))


def _is_library(file: Path) -> bool:
    """Whether a library has a start and an end. Where one of inductor's own tests of the processor has none,
    inductor (torch 2.13) takes it that the processor lacks what is tested, and compiles slow programs."""
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
            size = opened.seek(0, os.SEEK_END)
    except OSError:
        return False
    if len(head) < 64 or not head.startswith(b"\x7fELF\x02"):
        return False
    # Its last part is the table of sections: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    (offset,) = struct.unpack_from("<Q", head, 0x28)
    entry_size, entries = struct.unpack_from("<HH", head, 0x3A)
    return bool(offset + entry_size * entries <= size)


def _sums_of(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file, by its path in the folder. 16 MB, the most of three backends, take 20 ms."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != SUMS:
            with contextlib.suppress(OSError):
                found[str(file.relative_to(folder))] = zlib.crc32(file.read_bytes())
    return found


def _made_again(folder: Path) -> str:
    return f"Compiled programs in {folder} could not be read. They were thrown away and are made again."


def _use_jax(found: cache_folder.Usable) -> None:
    global _folder, _problem
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return  # jax only warns where it cannot be used
    if found.folder is None:
        _problem = found.problem
        return
    _folder = found.folder
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(found.folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    _listen_for_jax()


def _listen_for_jax() -> None:
    """jax compiles what it cannot read, and says so in a warning, but never replaces the file (0.10)."""
    shown: Callable[..., Any] = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        if str(message).startswith("Error reading persistent compilation cache"):
            throw_away()  # before jax writes what it compiles next
        shown(message, *rest, **more)

    warnings.showwarning = show


def _use_tensorflow(found: cache_folder.Usable) -> None:
    global _folder, _problem
    flags = os.environ.get("TF_XLA_FLAGS", "").strip()
    if "persistent_cache" in flags or (flags and not flags.startswith("-")):
        return  # a person's own, in the variable or in the file that it names
    if found.folder is None:
        _problem = found.problem
        return
    _folder = found.folder
    # Quoted, and escaped, as tsl/util/command_line_flags' parser of variables takes it: it splits at blanks.
    path = re.sub(r'(["\\])', r"\\\1", str(found.folder))
    os.environ["TF_XLA_FLAGS"] = f'--tf_xla_persistent_cache_directory="{path}" {flags}'.strip()


def _use_torch(found: cache_folder.Usable) -> None:
    """inductor compiles into files, kept or not: without a folder of ours into a temporary one."""
    global _folder, _problem
    given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if given is not None:
        _problem = cache_folder.problem_of(Path(given))
        if not _problem:
            return
    try:
        if found.folder is None or given is not None:
            _problem = _problem or found.problem
            place = cache_folder.private_temporary("torch")
            if not _problem:  # what is kept is not to be read, so neither is this
                cache_folder.empty(place)
        else:
            place = _folder = found.folder
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(_plain(place))
        if _plain_temporary() != tempfile.gettempdir():  # where inductor puts what it preprocesses
            os.environ["TMPDIR"] = str(cache_folder.private_temporary("tmp", _plain_temporary()))
            tempfile.tempdir = None  # to be asked for again
    except OSError as error:  # the graphs run as they are
        _problem = _problem or f"{tempfile.gettempdir()}: {error.strerror or error}"


def _plain(folder: Path) -> Path:
    """The folder by a name that needs no quotes."""
    if PLAIN.fullmatch(str(folder)):
        return folder
    links = cache_folder.private_temporary("links", _plain_temporary())
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != folder:
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return link


def _plain_temporary() -> str:
    """A folder for temporary files whose name needs no quotes; the system's where it is one."""
    every = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # a private one is made in it
    return next(
        (one for one in every if PLAIN.fullmatch(one) and os.access(one, os.W_OK)), every[0]
    )


_USE = {"jax": _use_jax, "tensorflow": _use_tensorflow, "torch": _use_torch}
