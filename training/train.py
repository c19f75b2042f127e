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
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from training import batches, pack
from training.batches import FIRST_WEIGHT, MIDDLE_WEIGHT, Batch, Mixture
from training.model import Gemma, Shape
from training.muon import Muon

WARMUP, DECAY = 0.01, 0.75
"""Shares of the time in which the learning rates rise at the start and fall to zero at the end."""

BATCH_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens processed at a time; a step may take several batches."""

SAVE_EVERY_S = 240.0
LOG_EVERY = 20  # steps
COMPILING = 3  # steps at the start of a run that compile, and do not count in the schedule


def rate(progress: float) -> float:
    """Return the learning rates' factor at a share of the time: up, flat, down to zero."""
    return max(0.0, min(1.0, progress / WARMUP + 0.02, (1 - progress) / DECAY))


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 matrix products have dedicated hardware: a GPU's, or a CPU's AMX.

    With AMX, ten times as fast as float32; without it, half as fast.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


class Training:
    """A model and its optimisers, step by step.

    Args:
        shape: sizes of the model.
        muon: Muon's maximum learning rate, for the layers' matrices.
        adam: AdamW's maximum learning rate, for the embedding and the norms.
        compiled: whether the layers' parts are compiled with `torch.compile`.

    Attributes:
        steps: number of steps so far.
        tokens: number of tokens trained on so far, without padding and control tokens.
    """

    def __init__(self, shape: Shape, muon: float, adam: float, compiled: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._narrow = has_fast_bfloat16(self.device)
        self.shape = shape
        self.model = Gemma(shape, compiled).to(self.device)
        matrices = [weight for weight in self.model.blocks.parameters() if weight.ndim == 2]
        norms = [weight for weight in self.model.parameters() if weight.ndim == 1]
        groups = [{"params": [self.model.embedding]}, {"params": norms}]
        precision = torch.bfloat16 if self._narrow else torch.float32
        self._optimisers: list[tuple[Optimizer, float]] = [
            (Muon(matrices, dtype=precision), muon),
            (torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0, fused=True), adam),
        ]
        self.steps = self.tokens = 0

    def step(self, taken: list[Batch], factor: float) -> np.ndarray:
        """Train on some batches together.

        Args:
            taken: the batches.
            factor: factor on the learning rates.

        Returns:
            The losses' sum and the number of tokens, 2 x 3: of context, of middles, of middles' first tokens.
        """
        figures = np.zeros((2, 3))
        total = sum(float(batch.weights.sum()) for batch in taken)
        for batch in taken:
            ids, targets, weights = (
                torch.from_numpy(array).to(self.device)
                for array in (batch.ids, batch.targets, batch.weights)
            )
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._narrow):
                loss, each = self.model.loss(ids, targets, weights / total)
            loss.backward()  # type: ignore[no-untyped-call]
            for kind, weight in enumerate((1.0, MIDDLE_WEIGHT, FIRST_WEIGHT)):
                those = each[weights.flatten() == weight]
                figures[:, kind] += those.sum().item(), len(those)
        for optimiser, highest in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = highest * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        self.tokens += int(figures[1].sum())
        return figures

    def state(self) -> dict[str, Any]:
        """Return the state for `resume`."""
        return {
            "shape": asdict(self.shape),
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser, _ in self._optimisers],
            "step": self.steps,
            "tokens": self.tokens,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Restore a checkpoint's state; one created by `start` has weights only."""
        self.model.load_state_dict(state["model"])
        for (optimiser, _), saved in zip(
            self._optimisers, state.get("optimisers", ()), strict=False
        ):
            optimiser.load_state_dict(saved)
        self.steps, self.tokens = state.get("step", 0), state.get("tokens", 0)


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
    """
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    checkpoint = folder / "checkpoint.pt"
    state = torch.load(checkpoint, map_location="cpu") if checkpoint.exists() else {}
    training = Training(Shape(**state["shape"]) if state else shape, muon, adam, compiled)
    names = [
        name for name in (*pack.NAMES, "grammar") if (folder / "packed" / f"{name}.npz").exists()
    ]
    mixture = Mixture(folder / "packed", names, min(tokens, BATCH_TOKENS[training.device.type]))
    if state:
        training.resume(state)
        mixture.skip(state.get("taken", {}))

    asked_to_end = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: asked_to_end.set())
    spent, total, first = state.get("seconds", 0.0), hours * 3600, training.steps
    figures = np.zeros((2, 3))
    saved = before = clock()
    with (folder / "loss.tsv").open("a", encoding="utf-8") as log:
        while spent < total and not asked_to_end.is_set():
            progress = spent / total
            taken = mixture.step(tokens, batches.shares(progress, names))
            figures += training.step(taken, rate(progress))
            now = clock()
            spent += now - before if training.steps > first + COMPILING else 0.0
            before = now
            if training.steps % LOG_EVERY == 0:
                means = "\t".join(f"{mean:.4f}" for mean in figures[0] / np.maximum(figures[1], 1))
                figures[:] = 0
                row = f"{training.steps}\t{training.tokens}\t{spent:.0f}\t{means}\t{rate(progress):.3f}"
                print(row, file=log, flush=True)
                print(row, flush=True)
            if now - saved > SAVE_EVERY_S:
                save(checkpoint, training.state() | {"taken": mixture.taken, "seconds": spent})
                saved = now
    save(checkpoint, training.state() | {"taken": mixture.taken, "seconds": spent})


def main() -> None:
    """Parse the flags and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--hours", type=float, default=1.5, help="total of all runs")
    parser.add_argument("--tokens", type=int, default=8192, help="tokens per step")
    parser.add_argument("--muon", type=float, default=0.01, help="Muon's learning rate")
    parser.add_argument("--adam", type=float, default=2e-3, help="AdamW's learning rate")
    parser.add_argument("--shape", type=json.loads, default={}, help="JSON of training.model.Shape")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    given = parser.parse_args()
    shape = Shape(**given.shape)
    train(given.folder, given.hours, given.tokens, given.muon, given.adam, shape, not given.eager)


if __name__ == "__main__":
    main()
