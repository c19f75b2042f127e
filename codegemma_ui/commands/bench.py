"""`codegemma-ui bench`, which says where the benchmark went: it is not part of the installed package."""

from __future__ import annotations

import argparse

from codegemma_ui.commands.shell import Commands
from codegemma_ui.errors import BadInput

MOVED = "The benchmark is not part of this package."
HINT = "Run it in a checkout of the repository: python -m benchmarks.speed"


def add_parser(commands: Commands) -> None:
    """Add `bench`, which accepts the flags it once had, and any other."""
    parser = commands.add_parser(
        "bench",
        help="moved: run python -m benchmarks.speed in a checkout",
        add_help=False,
        prefix_chars="\0",  # so that flags are arguments as well
    )
    parser.add_argument("arguments", nargs="*", default=None)
    parser.set_defaults(run=run)


def run(_parsed: argparse.Namespace) -> None:
    """Say where the benchmark is.

    Raises:
        BadInput: always.
    """
    raise BadInput(MOVED, HINT)
