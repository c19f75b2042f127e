"""The measured model in every format that a subject reads, created once and kept under `build/bench/`.

Code that imports a framework runs in a separate process: `engine/random_preset.py` for a named shape,
`python -m codegemma_ui export` for llama.cpp and transformers.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.conversation import ended
from benchmarks.speed.shapes import SHAPES
from codegemma_ui import machine, presets
from codegemma_ui.download import client as download
from codegemma_ui.errors import BackendMissing, EngineError
from codegemma_ui.ipc.parent import environment
from codegemma_ui.presets import Preset

FOLDER = Path("build", "bench")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """The measured model.

    Attributes:
        name: of the preset or the shape.
        random: whether its weights are random.
        folder: a local KerasHub preset.
        digest: distinguishes it from another model of that name.
    """

    name: str
    random: bool
    folder: Path
    preset: Preset
    digest: str

    @property
    def parameters(self) -> int | None:
        return self.preset.parameters


def of_shape(name: str, say: Say) -> Model:
    """Return a Gemma of a named shape with random weights, created if missing.

    Args:
        name: one of `shapes.SHAPES`.
        say: takes a line of progress.

    Raises:
        EngineError: it could not be created.
    """
    folder = (FOLDER / f"gemma-{name}").absolute()
    finished = folder / presets.FIM_FILE  # written last
    if not finished.is_file():
        parameters = SHAPES[name].parameters
        say(f"making a {parameters / 1e6:,.0f}M-parameter Gemma with random weights in {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        module = "benchmarks.speed.engine.random_preset"
        flags = ("--shape", name, "--folder", str(folder), "--backend", _any_backend())
        _run([sys.executable, "-m", module, *flags])
    return _model(name, presets.named(str(folder)), folder, random=True)


def of_preset(name: str, say: Say) -> Model:
    """Return a preset, downloaded first if necessary.

    Raises:
        DownloadFailed: the download failed.
        UnknownPreset: no such preset.
    """
    preset = presets.named(name)
    told: set[int] = set()

    def report(received: int, total: int | None) -> None:
        tenth = 10 * received // total if total else None
        if tenth is not None and tenth not in told:
            told.add(tenth)
            say(f"downloading {preset.name}: {10 * tenth}%")

    folder = download.fetch(preset, report)
    return _model(name, presets.fetched(preset, folder), folder, random=False)


def exported(model: Model, form: str, dtype: str, say: Say) -> Path:
    """Return the folder with the model in another format, created if missing.

    Args:
        model: the model to export.
        form: "gguf" or "transformers".
        dtype: of a GGUF file. It does not matter for transformers, which is written losslessly in the
            preset's precision and converted when loaded.
        say: takes a line of progress.

    Raises:
        EngineError: it could not be created.
    """
    of_dtype = ("--dtype", dtype) if form == "gguf" else ()
    folder = FOLDER / f"{model.folder.name}-{model.digest}" / "-".join((form, *of_dtype[1:]))
    if not (folder / "export.json").is_file():
        say(f"writing {model.name} as {' '.join((form, *of_dtype[1:]))}")
        flags = ("--preset", str(model.folder), "--format", form, "--out", str(folder), *of_dtype)
        command = (sys.executable, "-m", "codegemma_ui", "export")
        _run([*command, *flags, "--backend", _any_backend()])
    return folder.absolute()


def _model(name: str, preset: Preset, folder: Path, *, random: bool) -> Model:
    # Saving a preset again always changes one of the two.
    said = b"".join((folder / file).read_bytes() for file in ("config.json", "metadata.json"))
    return Model(name, random, folder, preset, hashlib.sha256(said).hexdigest()[:12])


def _any_backend() -> str:
    """Return an installed Keras backend, preferring the one that starts fastest.

    Raises:
        BackendMissing: none is installed.
    """
    for name in ("jax", "torch", "tensorflow"):
        if machine.backend(name).installed:
            return name
    raise BackendMissing("No Keras backend is installed.", machine.install("tensorflow"))


def _run(command: Sequence[str]) -> None:
    """Run a command to the end.

    Raises:
        EngineError: with the last line it wrote, or the signal that ended it.
    """
    done = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        reason = ended(done.returncode, done.stderr)
        raise EngineError(f"{' '.join(command[1:5])} failed: {reason}")
