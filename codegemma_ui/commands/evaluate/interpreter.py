"""Folders required by this Python, so that it can run where no other folder exists."""

from __future__ import annotations

import sys
from pathlib import Path

PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
"""The parts of an installation or environment; its folder may be a user's home."""


def folders() -> list[str]:
    """Return folders and files of the interpreter, its library and its packages, none inside another."""
    file = Path(sys.executable).resolve()
    installed = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), file.parent.parent}
    installed |= {folder.resolve() for folder in installed}
    parts = {folder / part for folder in installed for part in PARTS if folder != Path("/")}
    found = sorted(part for part in parts if part.exists())
    return [str(part) for part in found if not any(other in part.parents for other in found)]
