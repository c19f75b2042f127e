"""The evaluation of a trained model: exported, judged on the four held-out sets, and packed to travel back.

    python -m tools.gpu.evaluate --out OUT --shape large

The bundled model and the copy baseline are judged on the same tasks. `OUT/model-SHAPE-exported-STEP.tar.NN`
are the preset, in files of at most 15 MB: `cat model-large-exported-480.tar.* | tar x`. `--small` judges a
rehearsal's model on a CPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from codegemma_ui.presets import BUNDLED_FOLDER
from tools.gpu import ending
from tools.gpu.results import Figures, Results
from tools.gpu.train import SHAPES
from tools.gpu.train import SMALL as SMALL_TRAINING
from training import figures
from training.held_out import KINDS

FILE_BYTES = 15_000_000
"""Greatest size of a file that comes back."""

SMALL = {"folder": SMALL_TRAINING["folder"], "shape": SMALL_TRAINING["shape"], "limit": 2}
"""What `--small` changes."""


def export(folder: Path, to: Path, average: bool) -> Figures:
    """Write the checkpoint as a preset."""
    command = [sys.executable, "-m", "training.export", "--folder", str(folder), "--to", str(to)]
    command += ["--average"] if average else []
    subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "torch"}, check=True)
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    return {"preset_mb": round(size / 1e6, 1), "average": average}


def steps_of(folder: Path) -> int:
    """Return how many steps a training has done.

    Raises:
        FileNotFoundError: there is no training.
    """
    return int(torch.load(folder / "checkpoint.pt", map_location="cpu", mmap=True)["step"])


def send_back(preset: Path, out: Path, name: str) -> Figures:
    """Write the preset as files of at most `FILE_BYTES`."""
    for old in out.glob(f"model-{name}.tar*"):
        old.unlink()
    whole = out / f"model-{name}.tar"
    with tarfile.open(whole, "w") as archive:
        archive.add(preset, arcname=preset.name)
    content = whole.read_bytes()
    whole.unlink()
    parts = [content[at : at + FILE_BYTES] for at in range(0, len(content), FILE_BYTES)]
    for number, part in enumerate(parts):
        (out / f"{whole.name}.{number:02}").write_bytes(part)
    return {"files": len(parts), "mb": round(len(content) / 1e6, 1)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="where the figures and the model go"
    )
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--shape", default="large", choices=SHAPES)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--average", action="store_true", help="the averaged weights")
    parser.add_argument("--limit", type=int, help="only the first N tasks of each set")
    parser.add_argument("--small", action="store_true", help="rehearse on a CPU")
    parser.add_argument(
        "--before", type=Path, help="folder of earlier results; they are not repeated"
    )
    if parser.parse_args(arguments).small:
        parser.set_defaults(**SMALL)
    given = parser.parse_args(arguments)
    if given.small:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    given.out.mkdir(parents=True, exist_ok=True)
    results = Results(given.out, f"evaluate-{given.shape}", before=given.before)
    folder = given.folder / given.shape
    preset = folder / ("averaged" if given.average else "exported")
    kept = given.folder / "results"
    try:
        step = steps_of(folder)
    except FileNotFoundError as error:
        sys.exit(f"There is no training of this shape to judge: {error}")
    made = f"{preset.name} at step {step}"
    results.run(f"export {made}", lambda: export(folder, preset, given.average))
    if not results.done(f"export {made}"):
        sys.exit(1)
    name = f"{given.shape}-{preset.name}-{step}"
    results.run(f"send back {made}", lambda: send_back(preset, given.out, name), anew=True)
    for kind in KINDS:
        dataset = given.folder / "held_out" / f"{kind}.jsonl"
        results.run(f"{kind} copied", partial(figures.copied, dataset, given.limit))
        for one, name in ((preset, made), (BUNDLED_FOLDER, BUNDLED_FOLDER.name)):
            results.run(
                f"{kind} {name}",
                partial(figures.judge, one, dataset, kept, given.backend, given.limit),
                needs_s=60,
            )
    sys.exit(1 if results.lacking else 0)


if __name__ == "__main__":
    ending.with_children()
    main()
