"""Training on a card: unpack the text, pack turns, train until the call's time is up; the next call goes on.

    python -m tools.gpu.train --out OUT --shape large --hours 0.3

The state stays in the folder (a checkpoint is too large to travel), the figures go to
`OUT/train-SHAPE-TIME.json`, and `tools.gpu.evaluate` brings back the model. While one turn trains, the next
is packed on the processor's cores. `--small` rehearses on a CPU, with the text of `tools.gpu.rehearsal`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import sentencepiece
import torch

from tools.gpu import card, ending, rehearsal, text
from tools.gpu.results import CALL_S, Figures, Results
from training import grammar, pack, train
from training.model import Shape
from training.pack import Turn

SHAPES = {
    "bundled": Shape(),
    "large": Shape(layers=9, dim=384, heads=6, kv_heads=6, head_dim=64, feed_forward=1024),
    "teacher": Shape(layers=16, dim=768, heads=12, kv_heads=12, head_dim=64, feed_forward=2048),
    "small": Shape(layers=2, dim=64, heads=2, kv_heads=1, head_dim=32, feed_forward=128),
}
"""Shapes by name, without their vocabulary, which is that of the text."""

TOKENS = {"bundled": 262_144, "large": 262_144, "teacher": 262_144, "small": 8192}
"""Tokens of a step."""

RATES = {"muon": 0.02, "adam": 3e-3, "decay": 0.1}
"""Greatest learning rates, of `training.train`, and weight decay."""

TURNS = 4
SPARE_S = 30.0
"""Seconds of a call kept for the last checkpoint."""

PREPARING = 0.45
"""Share of a call in which the first turn is packed; few cores take only a part of the text."""

PACKED_BYTES_S = 200_000
"""Text that one core packs in a second, estimated cautiously: 290,000 of Python's standard library."""

GRAMMAR_S = 40.0
"""Seconds in which one core makes the grammar's programs."""

SMALL = {
    "parts": rehearsal.FOLDER,
    "folder": rehearsal.FOLDER / "training",
    "shape": "small",
    "hours": 0.01,
    "turns": 2,
}
"""What `--small` changes."""

SMALL_PROGRAMS = 500


def flops_a_token(shape: Shape, length: int) -> float:
    """Return the floating-point operations of a training step, forward and backward, for one token.

    Six for each weight that multiplies (the embedding once, as the output layer), and those of attention over
    half of `length` keys.
    """
    width = (shape.heads + 2 * shape.kv_heads + shape.heads) * shape.head_dim
    layer = shape.dim * (width + 3 * shape.feed_forward)
    attention = 2 * shape.heads * shape.head_dim * length / 2
    return 6.0 * (shape.layers * (layer + attention) + shape.vocabulary * shape.dim)


def peak_flops(seconds: float = 1.0) -> float:
    """Measure the greatest rate of a large bfloat16 product on this machine, in operations a second."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 8192 if device == "cuda" else 1024
    one, two = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best, begun = 0.0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        for _ in range(10):
            product = one @ two
        product[0, 0].item()  # waits for the card
        best = max(best, 10 * 2 * size**3 / (time.perf_counter() - started))
    return best


def most_bytes(seconds: float, processes: int) -> int:
    """Return how much text so many cores pack in a call of so many seconds, as its first turn."""
    return int(max(0.0, PREPARING * seconds - GRAMMAR_S) * processes * PACKED_BYTES_S)


def prepare(
    results: Results,
    parts: Path,
    folder: Path,
    turns: int,
    processes: int,
    most: int | None = None,
    programs: int = grammar.PROGRAMS,
) -> bool:
    """Unpack the text, and pack the first turn and the grammar's programs; return whether all is there.

    Args:
        results: what is done, and where the rest goes.
        parts: where the text has come to.
        folder: what `training` works in.
        turns: of the training.
        processes: how many work at a time.
        most: about the text to take, in bytes, or None for all.
        programs: how many the grammar makes.
    """

    def first_turn() -> Figures:
        pack.pack(folder, Turn(0, turns), processes)
        return {"processes": processes}

    def of_grammar() -> Figures:
        grammar.pack_programs(folder, programs)
        return {}

    for step, work in (
        ("text", lambda: text.unpack(parts, folder, processes, most)),
        ("first turn", first_turn),
        ("grammar", of_grammar),
    ):
        results.run(step, work)
        if not results.done(step):
            return False
    return True


@contextlib.contextmanager
def packing_others(folder: Path, turns: int, processes: int) -> Iterator[None]:
    """Pack the turns that are not there yet, one after the other, until the end of the block."""
    missing = [str(n) for n in range(1, turns) if not pack.turn_folder(folder, n).exists()]
    if not missing:
        yield
        return
    flags = ["--folder", str(folder), "--of", str(turns), "--processes", str(processes)]
    command = [sys.executable, "-m", "training.pack", *flags, "--turn", *missing]
    packing = subprocess.Popen(command, process_group=0)  # its own, to end its workers with it
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(packing.pid, signal.SIGKILL)
        packing.wait()


def shape_of(folder: Path, name: str) -> Shape:
    """Return a shape with the vocabulary of the folder."""
    path = str(folder / "vocabulary.spm")
    pieces = sentencepiece.SentencePieceProcessor(model_file=path).get_piece_size()
    return replace(SHAPES[name], vocabulary=pieces)


def trained(
    folder: Path, name: str, hours: float, turns: int, left_s: float, teacher: Path | None = None
) -> Figures:
    """Train until the call's time is up, and return what the whole training reached so far."""
    before, shape = _state(folder), shape_of(folder, name)
    spent_s = before.get("seconds", 0.0)
    ended = spent_s >= hours * 3600
    if ended or left_s <= 0:
        note = "the training had ended" if ended else "no time was left in this call"
        return {"spent_s": spent_s, "left_s": max(0.0, hours * 3600 - spent_s), "note": note}
    train.train(
        folder,
        hours,
        TOKENS[name],
        RATES["muon"],
        RATES["adam"],
        shape,
        compiled=name != "small",
        decay=RATES["decay"],
        turns=turns,
        this_run=left_s / 3600,  # with compilation, which `hours` does not count
        teacher=teacher,
    )
    state = _state(folder)
    rows = [line.split("\t") for line in (folder / "loss.tsv").read_text("utf-8").splitlines()]
    spent_s = state["seconds"] - before.get("seconds", 0.0)
    tokens_s = (state["tokens"] - before.get("tokens", 0)) / max(spent_s, 1e-9)
    return {
        "spent_s": round(state["seconds"], 1),
        "left_s": round(max(0.0, hours * 3600 - state["seconds"]), 1),
        "steps": state["step"],
        "tokens": state["tokens"],
        "turn": state["turn"],
        "tokens_s": round(tokens_s),
        "share_of_peak": tokens_s * flops_a_token(shape, 512) / peak_flops(),
        "loss_context": float(rows[-1][3]) if rows else None,
        "loss_middle": float(rows[-1][4]) if rows else None,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def _state(folder: Path) -> dict:  # type: ignore[type-arg]
    path = folder / "checkpoint.pt"
    return torch.load(path, map_location="cpu") if path.exists() else {}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where the figures go")
    parser.add_argument(
        "--parts", type=Path, default=Path("build/gpu"), help="where the text has come to"
    )
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--shape", choices=SHAPES, default="large")
    parser.add_argument("--teacher", type=Path, help="checkpoint of a larger model to learn from")
    parser.add_argument("--hours", type=float, default=0.25, help="of all calls together")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=CALL_S, help="of this call")
    parser.add_argument("--processes", type=int, default=text.cores(), help="until it trains")
    parser.add_argument("--small", action="store_true", help="rehearse on a CPU")
    parser.add_argument("--before", type=Path, help="folder of earlier results, to count on from")
    if parser.parse_args(arguments).small:
        parser.set_defaults(**SMALL)
    given = parser.parse_args(arguments)
    if given.small:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    card.require(parser, given.small or given.shape == "small")
    results = Results(given.out, f"train-{given.shape}", given.seconds, given.before)
    shared = Results(given.folder, "prepared", given.seconds)
    ready = prepare(
        shared,
        given.parts,
        given.folder,
        given.turns,
        given.processes,
        most_bytes(given.seconds, given.processes),
        SMALL_PROGRAMS if given.small else grammar.PROGRAMS,
    )
    if not ready:
        sys.exit("The text is not ready: the error stands above.")
    # A folder a shape: the text is shared, the state is not.
    folder = given.folder / given.shape
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("packed", "vocabulary.spm"):
        if not (folder / name).exists():
            (folder / name).symlink_to((given.folder / name).absolute())
    call = f"call {len(results.steps) + 1}"
    left_s = results.left_s - SPARE_S
    with packing_others(given.folder, given.turns, max(1, given.processes - 2)):
        results.run(
            call,
            lambda: trained(folder, given.shape, given.hours, given.turns, left_s, given.teacher),
        )
    print(json.dumps(results.steps.get(call)))
    if results.lacking:
        sys.exit(1)
    if results.steps[call]["left_s"]:
        print(
            "Not finished: the learning rate falls to zero at its end. Run the same command again."
        )


if __name__ == "__main__":
    ending.with_children()
    main()
