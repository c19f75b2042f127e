"""`python -m codegemma_ui export`: write a preset's weights and vocabulary for llama.cpp or transformers."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from codegemma_ui import machine, presets, settings
from codegemma_ui.commands.export import (
    folder,
    formats,
    gguf_file,
    loaded_preset,
    transformers_files,
)
from codegemma_ui.commands.export.folder import Origin
from codegemma_ui.commands.shell import Commands
from codegemma_ui.download import client as download
from codegemma_ui.errors import BackendMissing, BadInput
from codegemma_ui.ipc.messages import to_json
from codegemma_ui.machine import console

WRITERS = {formats.GGUF: gguf_file, formats.TRANSFORMERS: transformers_files}


def add_parser(commands: Commands) -> None:
    """Add `export` with its flags."""
    parser = commands.add_parser("export", help="write a model for llama.cpp or transformers")
    settings.add_preset_flags(parser)
    parser.add_argument("--format", choices=tuple(formats.FORMATS), required=True)
    parser.add_argument(
        "--dtype",
        choices=formats.DTYPES,
        help="precision; q8_0 is 8 bits and q4_0 is 4, for gguf; default as in the preset",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="a new or empty folder")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Export, and print what was written.

    Raises:
        BadInput, EngineError: a failure; nothing was written.
    """
    with console.redirected(1, 2):  # library output is not part of the report
        report = export(parsed)
    print(to_json(report) if parsed.json else as_text(report))


def export(parsed: argparse.Namespace) -> dict[str, Any]:
    """Write the requested export.

    Returns:
        A JSON object: `preset`, `format`, `dtype`, `parameters`, `context_length`, `files` (each with
        `path` and `bytes`), `seconds`.

    Raises:
        BadInput, EngineError: a failure; nothing was written.
    """
    started = time.monotonic()

    # 1. Validate everything before anything is downloaded or loaded.
    chosen = settings.resolve(argparse.Namespace(preset=parsed.preset, backend=parsed.backend))
    preset, form, out = (
        presets.named(chosen.preset),
        formats.FORMATS[parsed.format],
        Path(parsed.out),
    )
    formats.check(form, parsed.dtype)
    folder.check(out)
    folder.check_same(out, Origin(preset.name, form.name, parsed.dtype or ""))
    if chosen.backend not in machine.BACKENDS:
        names = ", ".join(machine.BACKENDS)
        raise BadInput(f"--backend must be one of {names} here. Received: {chosen.backend}")
    backend = machine.backend(chosen.backend)
    if not backend.installed:
        raise BackendMissing(f"{backend.name} is not installed.", backend.install)

    # 2. Load.
    place = download.fetch(preset, _Percent(f"{preset.name}: downloading"))
    preset = presets.fetched(preset, place)
    _say(f"{preset.name}: loading with {backend.name}")
    read = loaded_preset.read(preset, place, backend.name)

    # 3. Write.
    dtype = parsed.dtype or read.architecture.dtype
    made = Origin(preset.name, form.name, dtype)
    folder.check_same(out, made)
    writer = WRITERS[form]
    write = partial(writer.write, read, dtype, report=_Percent(f"{preset.name}: writing"))
    files = folder.write(out, made, writer.size(read, dtype), write)
    if preset.codegemma:
        _say(f"These are CodeGemma's weights: the Gemma terms apply to them, {presets.GEMMA_TERMS}")
    return {
        "preset": preset.name,
        "format": form.name,
        "dtype": dtype,
        "parameters": read.parameters,
        "context_length": preset.context_length,
        "files": [{"path": str(file), "bytes": file.stat().st_size} for file in files],
        "seconds": round(time.monotonic() - started, 1),
    }


class _Percent:
    """Report progress in steps of ten percent."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._shown = -1

    def __call__(self, done: int, total: int | None) -> None:
        if not total:
            return
        tenth = 10 * done // total
        if tenth > self._shown:
            self._shown = tenth
            _say(f"{self._doing} {10 * tenth}%")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def as_text(report: dict[str, Any]) -> str:
    """Format the report as text."""
    width = max(len(f"{file['bytes']:,}") for file in report["files"])
    return "\n".join(f"{file['bytes']:>{width},} bytes  {file['path']}" for file in report["files"])
