"""The views: facts that a script of `static/` draws, most of them in a tab below the result.

The server provides facts and texts; the browser draws them. User text
becomes HTML only through `render.escape`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from codegemma_ui.errors import PlaygroundError
from codegemma_ui.ui.render import Run, doing, escape
from codegemma_ui.ui.strings import TABLE, Language, error_hint, error_title, text


def shell(name: str, language: Language, facts: Mapping[str, Any] | None) -> str:
    """Return a view: its introduction, and the facts that its script draws, with the strings of `words`.

    Args:
        name: of the view; `<name>_says` is its introduction, `<name>_empty` its text without facts.
        facts: JSON-serialisable.
    """
    says = escape(text(f"{name}_says", language))
    tab = f"tab_{name}"
    heading = f'<h2 class="unseen">{escape(text(tab, language))}</h2>' if tab in TABLE else ""
    if facts is None:
        empty = escape(text(f"{name}_empty", language))
        return (
            f'<section class="view" data-view="{name}">{heading}<p class="says">{says}</p>'
            f'<div class="stage empty"><p>{empty}</p></div></section>'
        )
    drawn = as_json({**facts, "language": language})
    return (
        f'<section class="view" data-view="{name}">{heading}<p class="says">{says}</p>'
        f'<div class="stage"></div><div class="facts" hidden>{escape(drawn)}</div></section>'
    )


def as_json(value: Mapping[str, Any]) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def told_error(error: PlaygroundError | None, language: Language) -> dict[str, str] | None:
    """Return an error for a view: a headline, a translated hint if there is one, and the engine's message and
    hint."""
    if error is None:
        return None
    return {
        "title": error_title(error.code, language),
        "advice": error_hint(error.code, language),
        "message": error.message,
        "hint": error.hint,
    }


def now_doing(run: Run, language: Language) -> str:
    """Return what a run does now, as in the line under the middle; empty if it has ended."""
    return "" if run.ended else " \N{MIDDLE DOT} ".join(doing(run, language))
