"""The folders that this Python needs, so that a program can be run by it where no other folder is."""

from __future__ import annotations

import sys
from pathlib import Path

PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
"""What an installation or an environment has of it; its folder may be a user's home."""


def folders() -> list[str]:
    """Folders and files of the interpreter, its library and its packages, none of them within another."""
    file = Path(sys.executable).resolve()
    installed = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), file.parent.parent}
    installed |= {folder.resolve() for folder in installed}
    parts = {folder / part for folder in installed for part in PARTS if folder != Path("/")}
    found = sorted(part for part in parts if part.exists())
    return [str(part) for part in found if not any(other in part.parents for other in found)]
