"""Reading the page's strings from one TOML file for each language, and refusing files that do not agree."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BRACES = re.compile(r"{[^{}]*}|[{}]")
"""A `{name}` of a string, or a brace that has lost the other one."""


def read(folder: Path, languages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every string: key -> what it says in each of the languages.

    Args:
        folder: has a file for each language, `en.toml` for "en".
        languages: their codes; the first one's keys and `{names}` are what the others must have.

    Raises:
        ValueError: a file is not TOML, or does not agree with the first one; the message names each fault.
    """
    tables = [_table(folder / f"{language}.toml") for language in languages]
    faults = [
        f"{language}.toml: {fault}"
        for language, table in zip(languages, tables, strict=True)
        for fault in _faults(table, tables[0])
    ]
    if faults:
        raise ValueError("\n".join(faults))
    return {key: tuple(table[key] for table in tables) for key in tables[0]}


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error


def _faults(table: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """What keeps a language's file from use beside the first language's."""
    faults = [f"{key} is missing" for key in first if key not in table]
    for key, said in table.items():
        if key not in first:
            faults.append(f"{key} is unknown")
        elif not isinstance(said, str) or not said:
            faults.append(f"{key} must be a text in quotes, not empty")
        elif (names := _names(said)) != (wanted := _names(first[key])):
            faults.append(f"{key} must have {wanted}. It has {names}")
    return faults


def _names(said: object) -> str:
    return " ".join(sorted(set(_BRACES.findall(str(said))))) or "no {name}"
