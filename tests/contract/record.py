"""The recorded contract. `python -m tests.contract.record` regenerates it after an intended change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contract import exits, seen, tokens

FILE = Path(__file__).with_name("contract.json")

PARTS = {
    "commands": seen.commands,
    "errors": seen.error_codes,
    "events": seen.events,
    "exit codes": exits.codes,
    "greedy tokens": tokens.greedy,
    "over HTTP": seen.over_http,
    "public names": seen.public_names,
    "variables": seen.variables,
}


def now(part: str) -> Any:
    """Return a part as this program has it, after a round trip through JSON."""
    return json.loads(json.dumps(PARTS[part]()))


def kept(part: str) -> Any:
    """Return a part as recorded."""
    return json.loads(FILE.read_text("utf-8"))[part]


if __name__ == "__main__":
    parts = {part: now(part) for part in PARTS}
    FILE.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n", "utf-8")
