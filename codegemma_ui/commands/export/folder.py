"""Target folder of an export: written completely or not at all, without touching other files.

Files are written to a folder inside it and moved out when all are complete. `export.json` comes last and
lists the export's properties and files, so that the same command may overwrite it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codegemma_ui.errors import BadInput, EngineError
from codegemma_ui.presets import EXPORT_FILE as MARK

UNFINISHED = ".unfinished-export"


@dataclass(frozen=True)
class Origin:
    """What an export was made from."""

    preset: str
    format: str
    dtype: str


def check(folder: Path) -> None:
    """Check that an export may be written there.

    Raises:
        BadInput: it is a file, cannot be written, or contains other files.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"--out must be a folder. Received: a file, {folder}")
        foreign = sorted(_entries(folder) - _own(folder)) if folder.exists() else []
        if not foreign:
            _try_to_write(folder)
    except OSError as error:
        raise BadInput(
            f"--out must be a writable folder. Received: {folder} ({error.strerror})",
            "Choose another folder.",
        ) from error
    if foreign:
        shown = ", ".join(foreign[:3]) + (" and more" if len(foreign) > 3 else "")
        raise BadInput(
            f"--out must be a new or empty folder, or one with only an export. Received: {folder} "
            f"with {shown} in it",
            "Choose another folder.",
        )


def _try_to_write(folder: Path) -> None:
    """Create the folder and a file in it, and remove both: permissions can only be tested by trying.

    Raises:
        OSError: why it is not allowed.
    """
    new = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    finally:
        for one in new:
            _remove_if_empty(one)


def check_same(folder: Path, made: Origin) -> None:
    """Check that an existing export is an older version of the same one.

    Args:
        made: its precision is empty if it is known only after loading.

    Raises:
        BadInput: it is a different one.
    """
    mark = _read_mark(folder)
    if mark is None:
        return
    before: Origin = mark["made"]
    if before != replace(made, dtype=made.dtype or before.dtype):
        raise BadInput(
            "--out must not contain another export. Received: "
            f"{folder} with {before.preset} as {before.format} in {before.dtype}",
            "Choose another folder, or delete that one.",
        )


def write(folder: Path, made: Origin, size: int, work: Callable[[Path], None]) -> list[Path]:
    """Let `work` fill an empty folder, then move its files in place.

    Args:
        folder: checked; created if missing.
        size: approximate bytes to write.
        work: writes the files.

    Returns:
        The files, sorted by name, without the mark.

    Raises:
        EngineError: the disk is full, or the folder cannot be written.
    """
    new = _missing(folder)
    unfinished = folder / UNFINISHED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        free = shutil.disk_usage(folder).free
        if size > free:
            raise EngineError(
                f"The export takes {size / 1e9:.1f} GB; {free / 1e9:.1f} GB are free on the disk.",
                "Free space, or choose another folder with --out.",
                code="disk_full",
            )
        unfinished.mkdir()
        work(unfinished)
        names = sorted(file.name for file in unfinished.iterdir())
        older = _entries(folder) & _own(folder) - {*names, MARK, UNFINISHED}
        mark = unfinished / MARK
        mark.write_text(
            json.dumps({"made": asdict(made), "files": names}, indent=2) + "\n", encoding="utf-8"
        )
        mode = mark.stat().st_mode
        for name in (*names, MARK):  # the mark last: if it exists, the export is complete
            (unfinished / name).chmod(mode)  # safetensors 0.8 writes 0600
            (unfinished / name).replace(folder / name)
        for name in older:
            (folder / name).unlink()
        return [folder / name for name in names]
    except OSError as error:
        raise EngineError(
            f"The export could not be written. {error}", "Choose another folder with --out."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        for one in new:
            _remove_if_empty(one)


def _missing(folder: Path) -> list[Path]:
    """Return the folder and those of its parents that do not exist."""
    return [one for one in (folder, *folder.absolute().parents) if not one.exists()]


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _entries(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def _own(folder: Path) -> set[str]:
    """Return the file names of an export."""
    mark = _read_mark(folder)
    return {UNFINISHED} if mark is None else {UNFINISHED, MARK, *mark["files"]}


def _read_mark(folder: Path) -> dict[str, Any] | None:
    """Return the contents of the mark, or None if there is none of ours."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return {"made": Origin(**mark["made"]), "files": [str(name) for name in mark["files"]]}
    except (OSError, ValueError, TypeError, KeyError):
        return None
