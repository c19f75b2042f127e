"""Train the model, or go on with it, on two CPU cores or on one GPU.

    python -m training.train --folder build/training --hours 1.5

Every few minutes, and when it is asked to end (Ctrl+C), the state goes to `FOLDER/checkpoint.pt`; the same
command goes on from there. The schedule follows the share of `--hours` that is spent, all runs together, so
that the learning rate reaches zero when the time does, whatever the machine's speed. `FOLDER/loss.tsv` has
the loss.
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

import numpy as np
import torch

from training import pack
from training.model import Gemma, Shape
from training.muon import Muon

MIDDLE_WEIGHT = 4.0
"""What a token of a middle counts: they are few, and what the model is for."""

FIRST_WEIGHT = 8.0
"""What a middle's first token counts: in PSM it stands after the suffix, and has to look back over it."""

WARMUP, DECAY = 0.01, 0.55
"""Shares of the time in which the learning rates rise at the start and fall to zero at the end."""

SAVE_EVERY_S = 240.0
CONTROL_IDS = (4, 5, 6)  # a cut can fall anywhere: where a side ends is noise


class Packed:
    """Samples of one packed file, in its order, around and around."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.ids, self.starts = arrays["ids"], arrays["starts"]
            self.middles = arrays["middles"]

    def sample(self, number: int) -> tuple[np.ndarray, int]:
        """Ids and the middle's start."""
        number %= len(self.middles)
        return self.ids[self.starts[number] : self.starts[number + 1]], int(self.middles[number])


class Mixture:
    """A stream of steps' worth of tokens from several packed files.

    Attributes:
        taken: samples taken from each file so far; part of a checkpoint.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.files = {name: Packed(folder / f"{name}.npz") for name in names}
        self.taken = dict.fromkeys(names, 0)

    def step(
        self, tokens: int, shares: dict[str, float]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
        """Exactly `tokens` ids, their targets, weights, and the samples' lengths.

        The file that is furthest behind its share gives the next sample; the last sample is cut.
        """
        ids, targets, weights, lengths = [], [], [], []
        given = dict.fromkeys(shares, 0.0)
        room = tokens
        generator = np.random.default_rng(sum(self.taken.values()))
        while room > 0:
            name = min(
                shares, key=lambda name: (given[name] + generator.random() * 200) / shares[name]
            )
            sample, middle = self.files[name].sample(self.taken[name])
            self.taken[name] += 1
            count = min(len(sample) - 1, room)
            weight = np.ones(len(sample), np.float32)
            weight[middle:] = MIDDLE_WEIGHT
            weight[middle : middle + 1] = FIRST_WEIGHT
            weight[np.isin(sample, CONTROL_IDS)] = 0
            ids.append(sample[:count])
            targets.append(sample[1 : count + 1])
            weights.append(weight[1 : count + 1])
            lengths.append(count)
            given[name] += count
            room -= count
        return (
            np.concatenate(ids).astype(np.int64),
            np.concatenate(targets).astype(np.int64),
            np.concatenate(weights),
            lengths,
        )


def shares(progress: float, names: list[str]) -> dict[str, float]:
    """The mixture at a point of the training: short samples first, whole files' windows later."""
    windows = 0.05 + 0.6 * progress**1.5
    mixture = {"short": 0.7 - windows, "snippets": 0.3, "windows": windows, "grammar": 0.06}
    return {name: mixture[name] for name in names}


def rate(progress: float) -> float:
    """The learning rates' factor at a share of the time: up, flat, down to zero."""
    return max(0.0, min(1.0, progress / WARMUP + 0.02, (1 - progress) / DECAY))


def optimisers(model: Gemma, muon: float, adam: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embedding and the norms."""
    matrices = [weight for weight in model.blocks.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": [model.embedding]}, {"params": others}]
    return [
        Muon(matrices, lr=muon),
        torch.optim.AdamW(groups, lr=adam, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def save(path: Path, state: dict[str, object]) -> None:
    """Write whole or not at all."""
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
        folder: holds `packed/`; the checkpoint and the loss go there.
        hours: of steps, compilation left out.
        tokens: of one step.
        muon: Muon's highest learning rate.
        adam: AdamW's highest learning rate.
        shape: of a new model; a checkpoint has its own.
        compiled: whether `torch.compile` makes the layers' pieces.
        clock: seconds that pass.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    names = [
        name for name in (*pack.NAMES, "grammar") if (folder / "packed" / f"{name}.npz").exists()
    ]
    mixture = Mixture(folder / "packed", names)
    checkpoint = folder / "checkpoint.pt"
    state = torch.load(checkpoint, map_location=device) if checkpoint.exists() else None
    if state:
        shape = Shape(**state["shape"])
    model = Gemma(shape, compiled).to(device)
    optimising = optimisers(model, muon, adam)
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimising]
    spent, step = 0.0, 0
    if state:
        model.load_state_dict(state["model"])
    if state and "optimisers" in state:  # not where `start` made it of a preset
        for optimiser, saved in zip(optimising, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        mixture.taken.update(state["taken"])
        spent, step = state["seconds"], state["step"]

    def keep() -> None:
        save(
            checkpoint,
            {
                "shape": asdict(shape),
                "model": model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in optimising],
                "taken": mixture.taken,
                "seconds": spent,
                "step": step,
                "tokens": step * tokens,
            },
        )

    asked_to_end = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: asked_to_end.set())
    total, last_save, before = hours * 3600, clock(), clock()
    recent: list[tuple[float, float]] = []
    first = step + 3
    with (folder / "loss.tsv").open("a") as log:
        while spent < total and not asked_to_end.is_set():
            progress = spent / total
            ids, targets, weights, lengths = mixture.step(tokens, shares(progress, names))
            counted = torch.from_numpy(weights).to(device)
            with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
                loss, each = model.loss(
                    torch.from_numpy(ids).to(device),
                    torch.from_numpy(targets).to(device),
                    counted,
                    lengths,
                )
            loss.backward()  # type: ignore[no-untyped-call]
            factor = rate(progress)
            for optimiser, peak in zip(optimising, peaks, strict=True):
                for group, value in zip(optimiser.param_groups, peak, strict=True):
                    group["lr"] = value * factor
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            step += 1
            plain = each[counted == 1].mean().item()
            middle = each[counted == MIDDLE_WEIGHT].mean().item()
            recent.append((plain, middle))
            now = clock()
            # The first steps compile; that is no training time of the schedule's.
            spent += now - before if step > first else 0.0
            before = now
            if step % 20 == 0:
                plain, middle = np.nanmean(recent, 0)
                recent.clear()
                line = (
                    f"{step}\t{step * tokens}\t{spent:.0f}\t{plain:.4f}\t{middle:.4f}\t{factor:.3f}"
                )
                print(line, file=log, flush=True)
                print(line, flush=True)
            if now - last_save > SAVE_EVERY_S:
                keep()
                last_save = now
    keep()


def main() -> None:
    """Read the flags and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--hours", type=float, default=1.5, help="all runs together")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a step")
    parser.add_argument("--muon", type=float, default=0.01, help="Muon's learning rate")
    parser.add_argument("--adam", type=float, default=2e-3, help="AdamW's learning rate")
    parser.add_argument("--shape", type=json.loads, default={}, help="JSON of training.model.Shape")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    given = parser.parse_args()
    shape = Shape(**given.shape)
    train(given.folder, given.hours, given.tokens, given.muon, given.adam, shape, not given.eager)


if __name__ == "__main__":
    main()
