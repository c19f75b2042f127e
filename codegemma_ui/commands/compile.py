"""`python -m codegemma_ui compile`: compile ahead what a model's requests need, and keep it for later."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from codegemma_ui import cache_folder, machine, settings
from codegemma_ui.client import coming_up
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands.shell import Commands
from codegemma_ui.errors import BadInput, NotReady
from codegemma_ui.machine import console

LOOK_S = 0.2
"""Seconds between two polls."""


def add_parser(commands: Commands) -> None:
    """Add `compile` with its flags."""
    parser = commands.add_parser(
        "compile", help="compile a model's programs ahead, and keep them for later starts"
    )
    settings.add_model_flags(parser)
    settings.add_concurrency_flag(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Load the model, and wait until its worker has compiled everything.

    Raises:
        BadInput: a backend that compiles nothing, or no folder to keep programs in.
        PlaygroundError: the model could not be loaded, or is gone before all is compiled.
    """
    console.log_errors_only()
    chosen = replace(settings.resolve(parsed), idle_minutes=0)
    client = EngineClient(chosen)
    backend = client.status().backend
    if backend not in machine.BACKENDS:
        raise BadInput(
            f"--backend must be one of {', '.join(machine.BACKENDS)} to compile. Received: {backend!r}"
        )
    found = cache_folder.usable(backend)
    if found.folder is None:
        raise BadInput(
            f"There must be a folder to keep programs in. {cache_folder.ELSEWHERE} Received: {found.problem}"
        )
    started = time.monotonic()
    client.start()
    try:
        with coming_up.Line() as line:
            for status in coming_up.statuses(client):
                line.show(status)
                time.sleep(coming_up.LOOK_S)
            while (status := client.status()).warm != 1:
                if status.state not in ("ready", "busy"):
                    raise client.error or NotReady("The model is gone before all was compiled.")
                share = int(100 * (status.warm or 0.0))
                line.tell(f"{status.preset} on {status.backend}: compiling {share}%")
                time.sleep(LOOK_S)
        if status.note:
            print(status.note, file=sys.stderr)
        print(
            f"{status.preset} on {status.backend} in {status.dtype}: {status.compilations} programs"
            f" in {time.monotonic() - started:.0f} s"
        )
    finally:
        client.close()
