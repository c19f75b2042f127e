"""Parser for the JSON that the page's scripts send, with a limit on its size in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_PARTS = 300_000
"""Values that an object may hold, over all levels: more than `static/restore.js` keeps of a completion, and
more than one that fills CodeGemma's context has, with alternatives. Each takes some 60 bytes once parsed."""

_OPENING = ",[{"
_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def mapping(sent: object) -> Mapping[str, Any]:
    """Return the JSON object of a text; an empty one if it is invalid or beyond `MAX_PARTS`."""
    if not isinstance(sent, str) or _parts(sent) > MAX_PARTS:
        return {}
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parts(text: str) -> int:
    """Count the characters that separate or open values; outside of strings if the count matters."""
    most = sum(map(text.count, _OPENING))
    return most if most <= MAX_PARTS else sum(map(_TEXT.sub("", text).count, _OPENING))
