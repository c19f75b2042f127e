"""The README's commands are what the programs take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tools" / "gpu"
README = (FOLDER / "README.md").read_text(encoding="utf-8")

COMMANDS = re.findall(r"python3? -m tools\.gpu\.(\w+)([^`\n|>#]*)", README)
"""Module and arguments of each command."""


def test_it_has_commands() -> None:
    calls = {"correctness", "evaluate", "rehearsal", "speed", "text", "train", "wheels"}
    assert {module for module, _ in COMMANDS} == calls


@pytest.mark.parametrize(("module", "arguments"), sorted(set(COMMANDS)))
def test_a_command_has_flags_that_exist(module: str, arguments: str) -> None:
    source = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    for flag in re.findall(r"--[a-z][a-z-]*", arguments):
        assert f'"{flag}"' in source, flag


def test_flags_in_its_text_exist() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
    pip = {"--no-index", "--no-deps", "--target"}
    # The packing of the text, and the engine itself.
    others = {"--size", "--across-words", "--max-concurrency"}
    for flag in set(re.findall(r"--[a-z][a-z-]*", README)) - pip - others:
        assert f'"{flag}"' in sources, flag
