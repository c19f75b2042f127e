"""The teaching views: what each shows, as facts that a script of `static/` draws.

A view is a tab of the third pane. The server says what is so, and in which words; the browser draws it.
Nothing here makes HTML of anybody's text but through `render.escape`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from codegemma_ui.errors import PlaygroundError
from codegemma_ui.ui.render import Run, doing, escape
from codegemma_ui.ui.strings import Language, error_hint, error_title, text


def shell(name: str, language: Language, facts: Mapping[str, Any] | None) -> str:
    """Return a view: its sentence, and what its script is to draw, with the words of `words`.

    Args:
        name: of the view; `<name>_says` is its sentence, `<name>_empty` what it says without facts.
        facts: as JSON takes them.
    """
    says = escape(text(f"{name}_says", language))
    if facts is None:
        empty = escape(text(f"{name}_empty", language))
        return (
            f'<section class="view" data-view="{name}"><p class="says">{says}</p>'
            f'<div class="stage empty"><p>{empty}</p></div></section>'
        )
    drawn = as_json({**facts, "language": language})
    return (
        f'<section class="view" data-view="{name}"><p class="says">{says}</p>'
        f'<div class="stage"></div><div class="facts" hidden>{escape(drawn)}</div></section>'
    )


def as_json(value: Mapping[str, Any]) -> str:
    """JSON without a space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def told_error(error: PlaygroundError | None, language: Language) -> dict[str, str] | None:
    """An error as a view tells it: a headline, what to do next where that is translated, and the engine's own
    words."""
    if error is None:
        return None
    return {
        "title": error_title(error.code, language),
        "advice": error_hint(error.code, language),
        "message": error.message,
        "hint": error.hint,
    }


def now_doing(run: Run, language: Language) -> str:
    """What a run does now, in the words of the line under the middle; empty where it has ended."""
    return "" if run.ended else " \N{MIDDLE DOT} ".join(doing(run, language))
