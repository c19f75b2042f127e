"""Turn the corpus into four files of token ids for memory mapping, with new holes in each turn.

    python -m training.pack --folder build/training --turn 0 --of 3

`FOLDER/packed/TURN/{short,snippets,twins,windows}.npz` contain `ids` (uint16, all samples end to end),
`starts` (where each sample starts, and the end) and `middles` (where its middle starts), in random order. A
training goes through its turns one after the other; holes get harder from the first to the last. With
`--own-share` each turn has files of its own, for a training that ends before the text does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from training import holes, samples, twins
from training.corpus import SourceFile, load
from training.samples import Sample

CONTEXT = 1024
SHORT_TOKENS = 160
SNIPPET_TOKENS = 340
TWIN_TOKENS = 600
SHORT_COVERAGE, WINDOW_COVERAGE = 0.5, 1.5
FILES_PER_JOB = 64
BESIDE_RATE = 0.04

Encoded = tuple[np.ndarray, int]
"""A sample's ids (uint16), and where its middle starts."""

NAMES = ("short", "snippets", "twins", "windows")


def vocabulary_in(folder: Path) -> Vocabulary:
    """Return the trained vocabulary, in the folder layout of a preset."""
    path = folder / "preset" / VOCABULARY_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / "vocabulary.spm").read_bytes())
    return Vocabulary(folder / "preset")


def encode(sample: Sample, vocabulary: Vocabulary) -> Encoded:
    """Encode a sample for storage."""
    ids, middle = samples.encode(sample, vocabulary)
    return np.array(ids, np.uint16), middle


@dataclass(frozen=True)
class Turn:
    """One pass over the text: its number from 0, of how many, and whether each has files of its own."""

    number: int = 0
    count: int = 1
    own_share: bool = False

    @property
    def hard(self) -> float:
        """Difficulty of its holes, from 0 in the first to 1 in the last (`holes.draw`)."""
        return self.number / max(1, self.count - 1)

    @property
    def repeats(self) -> bool:
        """Return whether its text was seen in an earlier turn."""
        return self.number > 0 and not self.own_share


def encode_files(job: tuple[Path, Turn, int, list[SourceFile]]) -> dict[str, list[Encoded]]:
    """Return samples of some files, by kind; runs in a separate process.

    Short windows teach the most per token: each sample has one hole, and in PSM looking back over the suffix
    to the end of the prefix is learnt hole by hole.
    """
    folder, turn, number, files = job
    vocabulary = Vocabulary(folder / "preset")
    generator = random.Random(f"{turn.number} {number}")
    hard = turn.hard
    packed: dict[str, list[Encoded]] = {name: [] for name in NAMES}

    def add(name: str, sample: Sample) -> None:
        encoded = encode(sample, vocabulary)
        if len(encoded[0]) <= CONTEXT:
            packed[name].append(encoded)

    previous: SourceFile | None = None
    for file in files:
        try:
            source = holes.understand(file.text)
        except SyntaxError:
            continue
        for sample in samples.windows(file, source, generator, SHORT_TOKENS, SHORT_COVERAGE, hard):
            add("short", sample)
        for sample in samples.snippets(file, source, generator, SNIPPET_TOKENS, hard):
            add("snippets", sample)
        for sample in twins.samples(source, generator, TWIN_TOKENS, hard):
            add("twins", sample)
        for sample in samples.windows(file, source, generator, CONTEXT, WINDOW_COVERAGE, hard):
            with_other = sample.middle is not None and generator.random() < BESIDE_RATE
            if with_other and previous is not None and previous.package == file.package:
                sample = samples.beside(sample, file.path, previous, generator)
            add("windows", sample)
        previous = file
    return packed


def jobs(folder: Path, turn: Turn) -> Iterator[tuple[Path, Turn, int, list[SourceFile]]]:
    """Yield a turn's files in portions; files of one package stay together."""
    files = load(folder / "corpus" / "train.jsonl")
    if turn.own_share:
        files = (
            file for file in files if zlib.crc32(file.package.encode()) % turn.count == turn.number
        )
    for number in itertools.count():
        portion = list(itertools.islice(files, FILES_PER_JOB))
        if not portion:
            return
        yield folder, turn, number, portion


def save(path: Path, encoded: list[Encoded], generator: random.Random) -> None:
    """Shuffle and write."""
    generator.shuffle(encoded)
    lengths = np.array([len(ids) for ids, _ in encoded])
    np.savez(
        path,
        ids=np.concatenate([ids for ids, _ in encoded]),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        middles=np.array([middle for _, middle in encoded], np.int32),
    )
    inside = sum(len(ids) - middle for ids, middle in encoded)
    print(
        f"{path.name}: {len(encoded):,} samples, {lengths.sum():,} tokens, "
        f"{inside / lengths.sum():.1%} in middles",
        file=sys.stderr,
    )


def main() -> None:
    """Pack one turn of the training side of the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--turn", type=int, nargs="+", default=[0], help="one or several, from 0")
    parser.add_argument("--of", type=int, default=1, help="number of turns")
    parser.add_argument("--own-share", action="store_true", help="each turn has files of its own")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    for number in given.turn:
        pack(given.folder, Turn(number, given.of, given.own_share), given.processes)


def pack(folder: Path, turn: Turn, processes: int) -> None:
    """Write one turn; its folder appears once it is complete."""
    vocabulary_in(folder)
    packed: dict[str, list[Encoded]] = {name: [] for name in NAMES}
    with ProcessPoolExecutor(processes) as pool:
        for some in pool.map(encode_files, jobs(folder, turn)):
            for name, encoded in some.items():
                packed[name] += encoded
    target = turn_folder(folder, turn.number)
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    generator = random.Random(turn.number)
    for name, encoded in packed.items():
        save(part / f"{name}.npz", encoded, generator)
    (part / "turn.json").write_text(json.dumps({"repeats": turn.repeats}), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def turn_folder(folder: Path, number: int) -> Path:
    """Return the folder of a turn."""
    return folder / "packed" / str(number)


if __name__ == "__main__":
    main()
