"""Turn the corpus into four files of token ids for memory mapping.

    python -m training.pack --folder build/training

`FOLDER/packed/{short,snippets,twins,windows}.npz` contain `ids` (uint16, all samples end to end), `starts`
(where each sample starts, and the end) and `middles` (where its middle starts), in random order.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
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


def encode_files(job: tuple[Path, int, list[SourceFile]]) -> dict[str, list[Encoded]]:
    """Return samples of some files, by kind; runs in a separate process.

    Short windows teach the most per token: each sample has one hole, and in PSM looking back over the suffix
    to the end of the prefix is learnt hole by hole.
    """
    folder, seed, files = job
    vocabulary = Vocabulary(folder / "preset")
    generator = random.Random(seed)
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
        for sample in samples.windows(file, source, generator, SHORT_TOKENS, SHORT_COVERAGE):
            add("short", sample)
        for sample in samples.snippets(file, source, generator, SNIPPET_TOKENS):
            add("snippets", sample)
        for sample in twins.samples(source, generator, TWIN_TOKENS):
            add("twins", sample)
        for sample in samples.windows(file, source, generator, CONTEXT, WINDOW_COVERAGE):
            with_other = sample.middle is not None and generator.random() < BESIDE_RATE
            if with_other and previous is not None and previous.package == file.package:
                sample = samples.beside(sample, file.path, previous, generator)
            add("windows", sample)
        previous = file
    return packed


def jobs(folder: Path) -> Iterator[tuple[Path, int, list[SourceFile]]]:
    """Yield the corpus in portions."""
    files = load(folder / "corpus" / "train.jsonl")
    for number in itertools.count():
        portion = list(itertools.islice(files, FILES_PER_JOB))
        if not portion:
            return
        yield folder, number, portion


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
    """Pack the training side of the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    options = parser.parse_args()
    vocabulary_in(options.folder)
    packed: dict[str, list[Encoded]] = {name: [] for name in NAMES}
    with ProcessPoolExecutor() as pool:
        for some in pool.map(encode_files, jobs(options.folder)):
            for name, encoded in some.items():
                packed[name] += encoded
    target = options.folder / "packed"
    target.mkdir(exist_ok=True)
    generator = random.Random(0)
    for name, encoded in packed.items():
        save(target / f"{name}.npz", encoded, generator)


if __name__ == "__main__":
    main()
