"""Parser of a Dockerfile into stages of instructions, for the subset that ours uses. Pure.

Reference: https://docs.docker.com/reference/dockerfile/.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

KNOWN = frozenset(
    {
        *("ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK"),
        *("RUN", "USER", "VOLUME", "WORKDIR"),
    }
)


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, and the rest of it on one line as written."""

    name: str
    text: str


@dataclass
class Stage:
    """A stage, begun by FROM.

    Attributes:
        base: its base image, with arguments expanded.
        name: used by other stages.
    """

    base: str
    name: str = ""
    instructions: list[Instruction] = field(default_factory=list)


def parse(text: str, arguments: Mapping[str, str]) -> list[Stage]:
    """Return the stages, in order.

    Args:
        text: of the file.
        arguments: given build arguments; the file has defaults.

    Raises:
        ValueError: it has an instruction that is not rehearsed.
    """
    stages: list[Stage] = []
    given: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name not in KNOWN:
            raise ValueError(f"{instruction.name} must be one of {', '.join(sorted(KNOWN))}.")
        if instruction.name == "FROM":
            base, *rest = expand(instruction.text, given).split()
            stages.append(Stage(base, rest[1] if rest else ""))
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            name, default = argument(instruction.text)
            given[name] = arguments.get(name, default)
    return stages


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in filter(str.strip, whole.splitlines()):
        name, _, rest = line.strip().partition(" ")
        found.append(Instruction(name.upper(), rest.strip()))
    return found


def argument(text: str) -> tuple[str, str]:
    """Return name and default of an ARG."""
    name, _, default = text.partition("=")
    return name, default.strip('"')


def variables(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that an ENV sets."""
    pairs = (word.split("=", 1) for word in shlex.split(text))
    return {name: expand(value, known) for name, value in pairs}


def expand(text: str, known: Mapping[str, str]) -> str:
    """Expand variables, as in every instruction but RUN and CMD."""
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: known.get(found[1] or found[2], ""), text)


def words(text: str) -> list[str]:
    """Parse a command written as a JSON list."""
    listed = json.loads(text[text.index("[") :])
    return [str(word) for word in listed]
