"""Playgrounds on a scripted worker."""

from __future__ import annotations

import sys
from pathlib import Path

from codegemma_ui import Playground
from codegemma_ui.client.choice import Choice
from codegemma_ui.settings import Settings
from tests.support import WORKER


class Scripted:
    """Creates Playgrounds, and reads their worker's journal."""

    def __init__(self, folder: Path) -> None:
        self.options: list[str] = []
        self.journal = folder / "journal"
        self.made: list[Playground] = []

    def command(self, choice: Choice, folder: Path, settings: Settings) -> list[str]:
        """Return the command that replaces the real worker's."""
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        noted = ("--journal", str(self.journal))
        return [sys.executable, str(WORKER), *named, *noted, *self.options]

    def __call__(self, *options: str, preset: str = "bundled", backend: str = "jax") -> Playground:
        self.options[:] = options
        self.made.append(playground := Playground(preset, backend))
        return playground

    def noted(self, what: str) -> int:
        """Return how often the worker recorded an entry, such as "begun" or "cancel"."""
        return self.journal.read_text().count(f'"what": "{what}"') if self.journal.exists() else 0
