"""Train the model, or continue training, on two CPU cores or on one GPU.

    python -m training.train --folder build/training --hours 1.5

Every few minutes, and when interrupted (Ctrl+C), the state is saved to `FOLDER/checkpoint.pt`; the same
command continues from there. The schedule follows the share of `--hours` spent, over all runs, so that the
learning rate reaches zero when the time is up, whatever the machine's speed. `FOLDER/loss.tsv` records the
loss.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from training import batches, pack
from training.averaging import EVERY, Average
from training.batches import FIRST_WEIGHT, MIDDLE_WEIGHT, Batch, Mixture
from training.model import Gemma, Shape, SoftTargets
from training.muon import Muon

WARMUP, DECAY = 0.01, 0.75
"""Shares of the time in which the learning rates rise at the start and fall to zero at the end."""

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens processed at a time; a step may take several batches."""

REPEATED = 5.0
"""Factor on the weight decay while the text repeats. Source: arXiv 2509.14786, where much more decay than
usual keeps a model from learning repeated text by heart."""

TAUGHT, TAUGHT_SHARE = 8, 0.5
"""Number of a teacher's likeliest tokens, and their share of the loss."""

SAVE_EVERY_S = 240.0
LOG_EVERY = 20  # steps
COMPILING = 3  # steps at the start of a run that compile, and do not count in the schedule


def rate(progress: float) -> float:
    """Return the learning rates' factor at a share of the time: up, flat, down to zero."""
    return max(0.0, min(1.0, progress / WARMUP + 0.02, (1 - progress) / DECAY))


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 matrix products have dedicated hardware: a GPU, or a CPU's AMX or AVX512_BF16.

    With AMX, ten times as fast as float32, with AVX512_BF16 two to three times as fast, else half as fast.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


class Teacher:
    """A larger model whose likeliest tokens a smaller one learns beside the text's own.

    Args:
        checkpoint: of a training; its averaged weights are used.
        compiled: as in `Training`.
    """

    def __init__(self, checkpoint: Path, compiled: bool) -> None:
        state = torch.load(checkpoint, map_location="cpu")
        self._model = Gemma(Shape(**state["shape"]), compiled)
        self._model.load_state_dict(state["average"])
        self._model.requires_grad_(False)

    def targets(self, ids: Tensor) -> SoftTargets:
        """Return the targets that follow batch x length ids."""
        self._model.to(ids.device)
        likeliest, probabilities = self._model.likeliest(ids, TAUGHT)
        return SoftTargets(likeliest, probabilities, TAUGHT_SHARE)


class Training:
    """A model and its optimisers, step by step.

    Args:
        shape: sizes of the model.
        muon: Muon's maximum learning rate, for the layers' matrices.
        adam: AdamW's maximum learning rate, for the embedding and the norms.
        compiled: whether the layers' parts are compiled with `torch.compile`.
        decay: weight decay of the matrices and the embedding.
        teacher: a model to learn from besides.

    Attributes:
        average: the weights, averaged over the last part of the steps.
        steps: number of steps so far.
        tokens: number of tokens trained on so far, without padding and control tokens.
    """

    def __init__(
        self,
        shape: Shape,
        muon: float,
        adam: float,
        compiled: bool,
        decay: float = 0.0,
        teacher: Teacher | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._narrow = has_fast_bfloat16(self.device)
        self.shape = shape
        self._decay, self._teacher = decay, teacher
        self.model = Gemma(shape, compiled).to(self.device)
        matrices = [weight for weight in self.model.blocks.parameters() if weight.ndim == 2]
        norms = [weight for weight in self.model.parameters() if weight.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": [self.model.embedding]},
            {"params": norms, "weight_decay": 0.0},
        ]
        precision = torch.bfloat16 if self._narrow else torch.float32
        self._optimisers: list[tuple[Optimizer, float]] = [
            (Muon(matrices, decay=decay, dtype=precision), muon),
            (torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=decay, fused=True), adam),
        ]
        self.average = Average(self.model)
        self.steps = self.tokens = 0

    def step(self, taken: list[Batch], factor: float, repeats: bool = False) -> Tensor:
        """Train on some batches together.

        Args:
            taken: the batches.
            factor: factor on the learning rates.
            repeats: whether the text was seen before, which multiplies the weight decay by `REPEATED`.

        Returns:
            The losses' sum and the number of tokens, 2 x 3: of context, of middles, of middles' first tokens;
            on the model's device, for which this does not wait.
        """
        figures = torch.zeros(2, 3, device=self.device)
        total = sum(float(batch.weights.sum()) for batch in taken)
        for batch in taken:
            ids, targets, weights = (
                torch.from_numpy(array).to(self.device)
                for array in (batch.ids, batch.targets, batch.weights)
            )
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._narrow):
                soft = self._teacher.targets(ids) if self._teacher else None
                loss, each = self.model.loss(ids, targets, weights / total, soft)
            loss.backward()  # type: ignore[no-untyped-call]
            for kind, weight in enumerate((1.0, MIDDLE_WEIGHT, FIRST_WEIGHT)):
                those = (weights.flatten() == weight).float()
                figures[0, kind] += (each.detach() * those).sum()
                figures[1, kind] += those.sum()
        for optimiser, highest in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = highest * factor
                if group["params"][0].ndim > 1:  # not the norms
                    group["weight_decay"] = self._decay * (REPEATED if repeats else 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        self.tokens += sum(int((batch.weights > 0).sum()) for batch in taken)
        if self.steps % EVERY == 0:
            self.average.add(self.model)
        return figures

    def state(self) -> dict[str, Any]:
        """Return the state for `resume`."""
        return {
            "shape": asdict(self.shape),
            "model": self.model.state_dict(),
            "average": self.average.weights,
            "averaged": self.average.added,
            "optimisers": [optimiser.state_dict() for optimiser, _ in self._optimisers],
            "step": self.steps,
            "tokens": self.tokens,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Restore a checkpoint's state; one created by `start` has weights only."""
        self.model.load_state_dict(state["model"])
        self.average.added = state.get("averaged", 0)
        for name, weight in self.average.weights.items():
            weight.copy_(state.get("average", state["model"])[name])
        for (optimiser, _), saved in zip(
            self._optimisers, state.get("optimisers", ()), strict=False
        ):
            optimiser.load_state_dict(saved)
        self.steps, self.tokens = state.get("step", 0), state.get("tokens", 0)


class PackedTurn:
    """A packed turn of the text.

    Attributes:
        number: from 0.
        mixture: its batches.
        repeats: whether its text was seen in an earlier turn.
    """

    def __init__(self, folder: Path, number: int, tokens: int) -> None:
        self.number = number
        inside = pack.turn_folder(folder, number)
        files = {name: inside / f"{name}.npz" for name in pack.NAMES}
        files["grammar"] = folder / "packed" / "grammar.npz"
        self.mixture = Mixture(
            {name: path for name, path in files.items() if path.exists()}, tokens
        )
        self.repeats = bool(json.loads((inside / "turn.json").read_text("utf-8"))["repeats"])


def save(path: Path, state: dict[str, Any]) -> None:
    """Write the file atomically."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def train(
    folder: Path,
    hours: float,
    tokens: int,
    muon: float,
    adam: float,
    shape: Shape,
    compiled: bool = True,
    clock: Callable[[], float] = time.monotonic,
    decay: float = 0.0,
    turns: int = 1,
    this_run: float = math.inf,
    teacher: Path | None = None,
) -> None:
    """Train until `hours` are spent, over all runs.

    Args:
        folder: contains `packed/`; checkpoint and loss are written there.
        hours: time of steps, without compilation.
        tokens: approximate tokens per step.
        muon: Muon's maximum learning rate.
        adam: AdamW's maximum learning rate.
        shape: sizes of a new model; a checkpoint has its own.
        compiled: whether the layers' parts are compiled with `torch.compile`.
        clock: seconds that pass.
        decay: weight decay.
        turns: number of turns that the time is divided into; until the next is packed, the one before goes
            on.
        this_run: hours after which this run ends, compilation included.
        teacher: checkpoint of a model with the same vocabulary to learn from besides.
    """
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    checkpoint = folder / "checkpoint.pt"
    state = torch.load(checkpoint, map_location="cpu") if checkpoint.exists() else {}
    model = Shape(**state["shape"]) if state else shape
    taught_by = Teacher(teacher, compiled) if teacher else None
    training = Training(model, muon, adam, compiled, decay, taught_by)
    at_once = min(tokens, BATCH_TOKENS[training.device.type])
    turn = PackedTurn(folder, state.get("turn", 0), at_once)
    if state:
        training.resume(state)
        turn.mixture.skip(state.get("taken", {}))

    def kept() -> dict[str, Any]:
        where = {"turn": turn.number, "taken": turn.mixture.taken, "seconds": spent}
        return training.state() | where

    asked_to_end = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: asked_to_end.set())
    spent, total, first = state.get("seconds", 0.0), hours * 3600, training.steps
    figures = torch.zeros(2, 3, device=training.device)
    begun = saved = before = clock()
    with (folder / "loss.tsv").open("a", encoding="utf-8") as log:
        while spent < total and before - begun < this_run * 3600 and not asked_to_end.is_set():
            progress = spent / total
            due = min(int(progress * turns), turns - 1)
            if due > turn.number and pack.turn_folder(folder, due).exists():
                turn = PackedTurn(folder, due, at_once)
            taken = turn.mixture.step(tokens, batches.shares(progress, turn.mixture.taken))
            figures += training.step(taken, rate(progress), turn.repeats)
            now = clock()
            spent += now - before if training.steps > first + COMPILING else 0.0
            before = now
            if training.steps % LOG_EVERY == 0:
                means = "\t".join(
                    f"{mean:.4f}" for mean in (figures[0] / figures[1].clamp(min=1)).tolist()
                )
                figures.zero_()
                row = f"{training.steps}\t{training.tokens}\t{spent:.0f}\t{means}\t{rate(progress):.3f}"
                print(row, file=log, flush=True)
                print(row, flush=True)
            if now - saved > SAVE_EVERY_S:
                save(checkpoint, kept())
                saved = now
    save(checkpoint, kept())


def main() -> None:
    """Parse the flags and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--hours", type=float, default=1.5, help="total of all runs")
    parser.add_argument("--tokens", type=int, default=8192, help="tokens per step")
    parser.add_argument("--muon", type=float, default=0.01, help="Muon's learning rate")
    parser.add_argument("--adam", type=float, default=2e-3, help="AdamW's learning rate")
    parser.add_argument("--shape", type=json.loads, default={}, help="JSON of training.model.Shape")
    parser.add_argument("--decay", type=float, default=0.0, help="weight decay")
    parser.add_argument(
        "--turns", type=int, default=1, help="packed turns that the time is divided into"
    )
    parser.add_argument("--this-run", type=float, default=math.inf, help="hours of this run")
    parser.add_argument("--teacher", type=Path, metavar="CHECKPOINT", help="a model to learn from")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    given = parser.parse_args()
    train(
        given.folder,
        given.hours,
        given.tokens,
        given.muon,
        given.adam,
        Shape(**given.shape),
        not given.eager,
        decay=given.decay,
        turns=given.turns,
        this_run=given.this_run,
        teacher=given.teacher,
    )


if __name__ == "__main__":
    main()
