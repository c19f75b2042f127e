"""`python -m codegemma_ui export`: a preset's weights and vocabulary for llama.cpp or transformers."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from codegemma_ui import machine, presets, settings
from codegemma_ui.commands.export import (
    fetching,
    folder,
    formats,
    gguf_file,
    source,
    transformers_files,
)
from codegemma_ui.commands.export.folder import Made
from codegemma_ui.commands.main import BAD_INPUT, DONE, ENGINE_ERROR
from codegemma_ui.errors import BackendMissing, BadInput, EngineError
from codegemma_ui.ipc.messages import to_json
from codegemma_ui.machine import console

WRITERS = {formats.GGUF: gguf_file, formats.TRANSFORMERS: transformers_files}


def run(parsed: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    try:
        with console.redirected(1, 2):  # what a library prints is no part of the report
            report = export(parsed)
    except EngineError as error:
        _say(f"error: {error}")
        return BAD_INPUT if error.code == BadInput.code else ENGINE_ERROR
    print(to_json(report) if parsed.json else as_text(report))
    return DONE


def export(parsed: argparse.Namespace) -> dict[str, Any]:
    """Write what the flags ask for.

    Returns:
        A JSON object: `preset`, `format`, `dtype`, `parameters`, `context_length`, `files` (each with
        `path` and `bytes`), `seconds`.

    Raises:
        BadInput, EngineError: what went wrong; nothing was written.
    """
    started = time.monotonic()

    # 1. Everything that can be wrong is looked at before anything is downloaded or loaded.
    chosen = settings.resolve(argparse.Namespace(preset=parsed.preset, backend=parsed.backend))
    preset, form, out = (
        presets.named(chosen.preset),
        formats.FORMATS[parsed.format],
        Path(parsed.out),
    )
    formats.check(form, parsed.dtype)
    folder.check(out)
    folder.check_same(out, Made(preset.name, form.name, parsed.dtype or ""))
    if chosen.backend not in machine.BACKENDS:
        names = ", ".join(machine.BACKENDS)
        raise BadInput(f"--backend must be one of {names} here. Received: {chosen.backend}")
    backend = machine.backend(chosen.backend)
    if not backend.installed:
        raise BackendMissing(f"{backend.name} is not installed.", backend.install)

    # 2. Load.
    place = fetching.fetch(preset, _Percent(f"{preset.name}: downloading"))
    preset = presets.fetched(preset, place)
    _say(f"{preset.name}: loading with {backend.name}")
    read = source.read(preset, place, backend.name)

    # 3. Write.
    dtype = parsed.dtype or read.architecture.dtype
    made = Made(preset.name, form.name, dtype)
    folder.check_same(out, made)
    writer = WRITERS[form]
    write = partial(writer.write, read, dtype, report=_Percent(f"{preset.name}: writing"))
    files = folder.write(out, made, writer.size(read, dtype), write)
    if preset.codegemma:
        _say(f"These are CodeGemma's weights: the Gemma terms go with them, {presets.GEMMA_TERMS}")
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
    """Says how far something is, every tenth of it."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > self._told:
            self._told = tenth
            _say(f"{self._doing} {10 * tenth}%")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def as_text(report: dict[str, Any]) -> str:
    """The report for a person."""
    width = max(len(f"{file['bytes']:,}") for file in report["files"])
    return "\n".join(f"{file['bytes']:>{width},} bytes  {file['path']}" for file in report["files"])
