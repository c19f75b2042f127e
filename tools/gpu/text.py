"""The training text, packed so that a few calls bring it to a card, and unpacked there.

    python -m tools.gpu.text pack --folder build/training --to build/gpu       # here, once
    python -m tools.gpu.text unpack --from build/gpu --folder build/training   # there, before training

`pack` writes `build/gpu/text-1`, `text-2`, …, each of at most `PART_BYTES`, and `build/gpu/small`: the
vocabulary and the held-out tasks. A part is a folder of `.xz` files of whole lines of `corpus/train.jsonl`:
the parts that have come can be used before the others.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tools.gpu import ending
from training.held_out import KINDS

PART_BYTES = 36_000_000
"""Greatest size of a part: a call takes 64 MiB, with the tracked files."""

PIECE_BYTES = 8_000_000
"""Text of one file, before it is compressed: they are unpacked side by side."""

SMALL = ("vocabulary.spm", "held_out")
COUNT = "pieces.txt"
"""The number of the text's pieces: what has come is less where a part is missing."""


def pieces(corpus: Path, size: int) -> Iterator[bytes]:
    """Yield whole lines of a corpus, about so many bytes together."""
    with corpus.open("rb") as lines:
        while some := lines.readlines(size):
            yield b"".join(some)


def compress(text: bytes) -> bytes:
    """Compress a piece; 16% of code is left.

    A higher preset's window is longer than a piece: it gains nothing, and takes seven times the 94 MB.
    """
    return lzma.compress(text, preset=6)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def pack(
    folder: Path,
    to: Path,
    part_bytes: int = PART_BYTES,
    piece_bytes: int = PIECE_BYTES,
    processes: int | None = None,
) -> int:
    """Write the parts, and return how many there are.

    Args:
        folder: what `training` works in.
        to: where the parts go; those of an earlier corpus are removed, once the new ones are there.
        part_bytes: greatest size of a part.
        piece_bytes: about the text of one file of it.
        processes: how many compress at a time.

    Raises:
        FileNotFoundError: the folder lacks the corpus, the vocabulary or a set of held-out tasks.
    """
    held_out = [f"{SMALL[1]}/{kind}.jsonl" for kind in KINDS]
    for name in ("corpus/train.jsonl", SMALL[0], *held_out):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"training/README.md tells what makes {folder / name}.")
    number, size, count = 0, part_bytes + 1, 0
    making = to / "making"
    shutil.rmtree(making, ignore_errors=True)
    with ProcessPoolExecutor(processes) as pool:
        packed = pool.map(compress, pieces(folder / "corpus" / "train.jsonl", piece_bytes))
        for piece in packed:
            size += len(piece)
            if size > part_bytes:
                number, size = number + 1, len(piece)
                (making / f"text-{number}").mkdir(parents=True)
            (making / f"text-{number}" / f"{count:03}.xz").write_bytes(piece)
            count += 1
    small = making / "small"
    small.mkdir(parents=True)
    (small / SMALL[0]).write_bytes((folder / SMALL[0]).read_bytes())
    (small / COUNT).write_text(str(count))
    for one in held_out:
        path = folder / one
        (small / f"{path.name}.xz").write_bytes(compress(path.read_bytes()))
    for old in (*to.glob("text-*"), to / "small"):
        shutil.rmtree(old, ignore_errors=True)
    for new in making.iterdir():
        new.rename(to / new.name)
    making.rmdir()
    return number


def unpack(
    given: Path, folder: Path, processes: int | None = None, most_bytes: int | None = None
) -> dict[str, int]:
    """Put together the parts that are there, and return how much of the text that is.

    Args:
        given: where the parts have come to.
        folder: what `training` works in.
        processes: how many decompress at a time.
        most_bytes: about the text to take, or None for all: pieces at equal distances, at least one.

    Raises:
        FileNotFoundError: there is no part.
    """
    paths = sorted(given.glob("text-*/*.xz"), key=lambda path: path.name)
    if not paths:
        raise FileNotFoundError(
            f"There should be parts of the text. Received: no {given}/text-*/*.xz"
        )
    wanted = len(paths) if most_bytes is None else max(1, most_bytes // PIECE_BYTES)
    if wanted < len(paths):
        paths = [paths[number * len(paths) // wanted] for number in range(wanted)]
    corpus = folder / "corpus" / "train.jsonl"
    corpus.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with ProcessPoolExecutor(processes) as pool, corpus.with_suffix(".part").open("wb") as sink:
        for text in pool.map(_read, paths):
            size += sink.write(text)
    corpus.with_suffix(".part").replace(corpus)
    small = given / "small"
    (folder / SMALL[0]).write_bytes((small / SMALL[0]).read_bytes())
    (folder / SMALL[1]).mkdir(exist_ok=True)
    for path in small.glob("*.jsonl.xz"):
        (folder / SMALL[1] / path.stem).write_bytes(_read(path))
    return {"text_bytes": size, "pieces": len(paths), "of_pieces": int((small / COUNT).read_text())}


def _read(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


def main() -> None:
    """Pack or unpack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--to", "--from", dest="parts", type=Path, default=Path("build/gpu"))
    parser.add_argument("--processes", type=int, default=cores())
    given = parser.parse_args()
    if given.what == "pack":
        count = pack(given.folder, given.parts, processes=given.processes)
        for folder in (
            given.parts / "small",
            *(given.parts / f"text-{n + 1}" for n in range(count)),
        ):
            size = sum(path.stat().st_size for path in folder.iterdir())
            print(f"{folder}: {size / 1e6:.1f} MB")
    else:
        for name, value in unpack(given.parts, given.folder, given.processes).items():
            print(f"{given.folder}: {name} {value:,}")


if __name__ == "__main__":
    ending.with_children()
    main()
