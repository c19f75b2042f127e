"""Reader of the page's strings, one TOML file per language; files that do not agree are refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BRACES = re.compile(r"{[^{}]*}|[{}]")
"""A `{name}` of a string, or an unmatched brace."""


def read(folder: Path, languages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return every string: key -> its text in each of the languages.

    Args:
        folder: has a file for each language, `en.toml` for "en".
        languages: their codes; the others must have the keys and `{names}` of the first.

    Raises:
        ValueError: a file is not TOML, or does not agree with the first one; the message lists each fault.
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
    """Return the differences of a language's file from the first language's."""
    faults = [f"{key} is missing" for key in first if key not in table]
    for key, value in table.items():
        if key not in first:
            faults.append(f"{key} is unknown")
        elif not isinstance(value, str) or not value:
            faults.append(f"{key} must be a text in quotes, not empty")
        elif (names := _names(value)) != (wanted := _names(first[key])):
            faults.append(f"{key} must have {wanted}. Received: {names}")
    return faults


def _names(value: object) -> str:
    return " ".join(sorted(set(_BRACES.findall(str(value))))) or "no {name}"
