"""`python -m codegemma_ui presets`: list the models and their memory needs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from codegemma_ui import presets, settings
from codegemma_ui.commands import environment
from codegemma_ui.commands.shell import Commands
from codegemma_ui.presets import amounts, memory, quality


def add_parser(commands: Commands) -> None:
    """Add `presets` with its flags."""
    parser = commands.add_parser("presets", help="list the models, and the memory they need")
    settings.add_preset_flags(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print a row for each model, or for the named one."""
    backend = settings.resolve(parsed, environment.without_what_is_missing(parsed)).backend
    measured = quality.by_precision(memory.precisions(backend), backend)
    of_bundled = {dtype: asdict(one) for dtype, one in measured.items()}
    shown = presets.offered() if parsed.preset is None else (presets.named(parsed.preset),)
    rows = [
        {
            **presets.describe(one),
            "memory_bytes": memory.by_precision(one, backend),
            "quality": of_bundled if one.name == presets.BUNDLED else None,
        }
        for one in shown
    ]
    if parsed.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = amounts.parameters(row["parameters"]) if row["parameters"] else "?"
        download = f"{row['download_bytes'] / 1e9:.1f} GB" if row["download_bytes"] else "none"
        print(f"{row['name']:<32}{size:>7}  download {download:<8} context {row['context_length']}")
        if sizes := memory.sizes(row["memory_bytes"]):
            print(f"{'':<32}memory {sizes}")
        if row["note"]:
            print(f"{'':<32}{row['note']}")
    print(quality.line(measured))
