"""Persistent folders for compiled programs, one per backend and processor.

Frameworks' own cache settings are left as the user set them. If a file in our folder is damaged, the whole
folder is deleted (a few MB, rebuilt as programs are compiled). Frameworks detect some damage themselves, but
they execute machine code with a flipped bit, so checksums are kept beside the compiled files. Each kind of
processor has a folder of its own, since an image or a home directory may come to another machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import struct
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from codegemma_ui import cache_folder

PLAIN = re.compile(r"[\w./+,@%:=-]+", re.ASCII)
"""Paths that inductor (torch 2.13) can pass to a compiler, whose command line it does not quote."""

SUMS = "sums.json"

INSTRUCTIONS = (
    *("abm", "adx", "aes", "amx", "avx", "bmi", "f16c", "fma", "gfni", "movbe", "pclmul", "popcnt"),
    *("sha_", "sse", "ssse", "vaes", "vpclmul"),
)
"""Beginnings of the flags of x86 that compilers use; others tell of the kernel and the virtual machine."""

MAX_KEPT_BYTES = 2**30
"""Limit per backend. Beyond it, the least recently used programs are deleted until half remains: those of
older versions, of other processors and of models no longer run."""

_folder: Path | None = None  # our folder, in use by this process
_problem = ""
_damaged = ""
_given_up: Path | None = None  # our folder, unused because the last process failed with it


def use(backend: str, keep: bool = True) -> None:
    """Configure where a framework keeps compiled programs, before it is imported.

    Args:
        backend: Keras backend.
        keep: False leaves our folder unused; it is emptied once `model_loaded()` shows that the model loads
            without it.
    """
    global _folder, _problem, _damaged, _given_up
    _folder, _problem, _damaged, _given_up = None, "", "", None
    found = cache_folder.usable(backend, processor())
    _USE[backend](found if keep else cache_folder.Usable(None))
    if not keep:
        _given_up = found.folder
    elif _folder is not None:
        if not _is_whole(_folder):
            discard()
        trim(_folder.parent, MAX_KEPT_BYTES)


def trim(folder: Path, most_bytes: int) -> None:
    """If a folder exceeds `most_bytes`, delete the least recently used files until half of that remains."""
    kept: list[tuple[float, int, Path]] = []
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # removed by another process
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
    """Return a message for the user, or None if there is nothing to report."""
    if _problem:
        return (
            f"Compiled programs are not kept, so each start recompiles: {_problem}. "
            f"{cache_folder.ELSEWHERE}"
        )
    return _damaged or None


def discard() -> bool:
    """Empty our folder because something in it is unreadable. Return False if there is nothing to delete.

    Happens once only: what this process compiled itself is intact.
    """
    global _damaged
    if _folder is None or _damaged or not cache_folder.empty(_folder):
        return False
    _damaged = _rebuild_note(_folder)
    return True


def model_loaded() -> None:
    """Record that the model has loaded. If it did so without our folder, the folder's contents were
    damaged."""
    global _damaged, _given_up
    if _given_up is not None and cache_folder.empty(_given_up):
        _damaged = _rebuild_note(_given_up)
    _given_up = None


def in_use() -> bool:
    """Return whether programs of an earlier process may be read."""
    return _folder is not None


def save_checksums() -> None:
    """Save checksums of all compiled files once compilation is complete, for the next process to verify."""
    if _folder is None:
        return
    sums = _sums_of(_folder)
    with contextlib.suppress(OSError):
        beside = _folder.parent / f".{_folder.name}-{os.getpid()}"
        beside.write_text(json.dumps(sums), encoding="ascii")
        beside.replace(_folder / SUMS)


def _is_whole(folder: Path) -> bool:
    """Return whether no damage is detected."""
    try:
        known = json.loads((folder / SUMS).read_bytes())
        now = _sums_of(folder)
        if any(
            now.get(name, crc) != crc for name, crc in known.items()
        ):  # a missing file is not damage
            return False
    except FileNotFoundError:  # the last process ended before it wrote them
        pass
    except (OSError, ValueError, AttributeError):
        return False
    return sys.platform != "linux" or all(map(_is_library, folder.rglob("*.so")))


def _is_library(file: Path) -> bool:
    """Return whether a shared library is complete. If inductor's own CPU feature test is truncated, inductor
    (torch 2.13) concludes that the CPU lacks the feature, and compiles slow programs."""
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
            size = opened.seek(0, os.SEEK_END)
    except OSError:
        return False
    if len(head) < 64 or not head.startswith(b"\x7fELF\x02"):
        return False
    # The section table is last: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    (offset,) = struct.unpack_from("<Q", head, 0x28)
    entry_size, entries = struct.unpack_from("<HH", head, 0x3A)
    return bool(offset + entry_size * entries <= size)


@cache
def processor() -> str:
    """Return a name for the instruction sets for which compilers write machine code here, such as
    "x86_64-1f0c6a3e"."""
    known: list[str] = []
    # Elsewhere than on Linux a processor does not change under a folder.
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
        arm = platform.machine().startswith(("aarch64", "arm"))
        every = line[1].split() if line else []
        known = sorted(one for one in every if arm or one.startswith(INSTRUCTIONS))
    return f"{platform.machine()}-{zlib.crc32(' '.join(known).encode()):08x}"


def _sums_of(folder: Path) -> dict[str, int]:
    """Return the CRC-32 of each file by relative path. 16 MB, the most over three backends, take 20 ms."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != SUMS:
            with contextlib.suppress(OSError):
                found[str(file.relative_to(folder))] = zlib.crc32(file.read_bytes())
    return found


def _rebuild_note(folder: Path) -> str:
    return f"Compiled programs in {folder} could not be read. They were deleted and are rebuilt."


def _use_jax(found: cache_folder.Usable) -> None:
    global _folder, _problem
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return  # jax itself only warns if the folder is unusable
    if found.folder is None:
        _problem = found.problem
        return
    _folder = found.folder
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(found.folder)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    _listen_for_jax()


def _listen_for_jax() -> None:
    """jax warns about unreadable files and recompiles, but never replaces the file (0.10)."""
    shown: Callable[..., Any] = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        if str(message).startswith("Error reading persistent compilation cache"):
            discard()  # before jax writes the next program
        shown(message, *rest, **more)

    warnings.showwarning = show


def _use_tensorflow(found: cache_folder.Usable) -> None:
    global _folder, _problem
    flags = os.environ.get("TF_XLA_FLAGS", "").strip()
    if "persistent_cache" in flags or (flags and not flags.startswith("-")):
        return  # set by the user, in the variable or in the file it names
    if found.folder is None:
        _problem = found.problem
        return
    _folder = found.folder
    # Quoted and escaped for the parser in tsl/util/command_line_flags, which splits at blanks.
    path = re.sub(r'(["\\])', r"\\\1", str(found.folder))
    os.environ["TF_XLA_FLAGS"] = f'--tf_xla_persistent_cache_directory="{path}" {flags}'.strip()


def _use_torch(found: cache_folder.Usable) -> None:
    """inductor always compiles into files: into our folder, or into a temporary one."""
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
            if not _problem:  # kept programs are not to be read, so neither are temporary ones
                cache_folder.empty(place)
        else:
            place = _folder = found.folder
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(_plain(place))
        if _plain_temporary() != tempfile.gettempdir():  # inductor writes preprocessed files there
            os.environ["TMPDIR"] = str(cache_folder.private_temporary("tmp", _plain_temporary()))
            tempfile.tempdir = None  # recomputed at next use
    except OSError as error:  # graphs run uncompiled
        _problem = _problem or f"{tempfile.gettempdir()}: {error.strerror or error}"


def _plain(folder: Path) -> Path:
    """Return a path to the folder that needs no quoting."""
    if PLAIN.fullmatch(str(folder)):
        return folder
    links = cache_folder.private_temporary("links", _plain_temporary())
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != folder:
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return link


def _plain_temporary() -> str:
    """Return a temporary folder whose path needs no quoting, the system's own if possible."""
    every = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # a private folder is created inside
    return next(
        (one for one in every if PLAIN.fullmatch(one) and os.access(one, os.W_OK)), every[0]
    )


_USE = {"jax": _use_jax, "tensorflow": _use_tensorflow, "torch": _use_torch}
