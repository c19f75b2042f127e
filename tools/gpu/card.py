"""What a call says where there is no card."""

from __future__ import annotations

import argparse

from codegemma_ui import machine

NO_CUDA = "finds no CUDA card: install its CUDA build; --small rehearses on a CPU"
"""The message after a framework's name if it cannot use the card."""


def require(parser: argparse.ArgumentParser, small: bool) -> None:
    """End the program with exit code 2 where there is no card.

    Args:
        parser: prints its usage and the reason.
        small: whether it is a rehearsal, which needs none.
    """
    if not small and not machine.gpus():
        parser.error("there must be a card that nvidia-smi lists; --small rehearses on a CPU")
