"""A small text to rehearse training and evaluation with, made of Python's standard library.

    python -m tools.gpu.rehearsal

writes `build/gpu/rehearsal/text-1` and `small` in the form of the real text (`text.py`). `python -m
tools.gpu.train --small` and `python -m tools.gpu.evaluate --small` go on from there. Each rehearsal begins
anew: what an earlier one left is removed.
"""

from __future__ import annotations

import argparse
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from codegemma_ui.presets import BUNDLED_FOLDER
from tools.gpu import ending, text
from training import corpus, held_out
from training.corpus import SourceFile

FOLDER = Path("build/gpu/rehearsal")

PACKAGES = (
    "asyncio",
    "collections",
    "concurrent",
    "ctypes",
    "curses",
    "http",
    "importlib",
    "logging",
)
HELD_OUT = ("email", "json", "unittest", "urllib", "xml")
"""Packages of the standard library with enough functions to draw tasks from."""

TASKS = 4
"""Held-out tasks of each kind."""

REMOVED = ("source", "training", "out")


def files(package: str) -> Iterator[SourceFile]:
    """Yield the files of a package of the standard library that are worth reading."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted((library / package).rglob("*.py")):
        name = path.relative_to(library).as_posix()
        found = corpus.is_source(name, path.read_bytes())
        if found is not None:
            yield SourceFile(package, "", name, found)


def make(to: Path) -> dict[str, int]:
    """Write the text, and return its figures.

    Args:
        to: folder for the parts; the names in `REMOVED` are removed from it.
    """
    for name in REMOVED:
        shutil.rmtree(to / name, ignore_errors=True)
    source = to / "source"
    (source / "corpus").mkdir(parents=True)
    for name, packages in (("train", PACKAGES), ("held_out", HELD_OUT)):
        found = (file for package in packages for file in files(package))
        corpus.write(source / "corpus" / f"{name}.jsonl", found)
    tasks = held_out.write_held_out(source, shares=dict.fromkeys(held_out.KINDS, TASKS))
    # The bundled model's: learning one takes a minute.
    (source / text.SMALL[0]).write_bytes((BUNDLED_FOLDER / VOCABULARY_FILE).read_bytes())
    text.pack(source, to, processes=1)
    size = (source / "corpus" / "train.jsonl").stat().st_size
    return {"text_bytes": size, "tasks": sum(map(len, tasks.values()))}


def main() -> None:
    """Make the text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=FOLDER)
    given = parser.parse_args()
    for name, value in make(given.to).items():
        print(f"{given.to}: {name} {value:,}")


if __name__ == "__main__":
    ending.with_children()
    main()
