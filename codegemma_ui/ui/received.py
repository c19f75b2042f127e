"""What the page's scripts send as JSON in a text, read with a bound on what it becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_PARTS = 300_000
"""Values that an object may hold, all levels together: more than `static/restore.js` keeps of a completion,
and than one that fills CodeGemma's context has, with its alternatives. Each takes some 60 bytes once read."""

_OPENING = ",[{"
_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def mapping(sent: object) -> Mapping[str, Any]:
    """Return the object that a text spells; an empty one where it spells none, or one beyond `MAX_PARTS`."""
    if not isinstance(sent, str) or _parts(sent) > MAX_PARTS:
        return {}
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parts(text: str) -> int:
    """Count what separates and opens values, outside of texts where the count matters."""
    most = sum(map(text.count, _OPENING))
    return most if most <= MAX_PARTS else sum(map(_TEXT.sub("", text).count, _OPENING))
