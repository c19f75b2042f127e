"""What a page shows that no tab has kept and no link has filled: the tutorial's example with its recorded
completion, or what the address names, `?example=KEY` or `?lesson=NUMBER`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from codegemma_ui.client.client import EngineClient
from codegemma_ui.completions import recording
from codegemma_ui.completions.recording import Recording
from codegemma_ui.ui import completing, editing, lesson_events, lessons, render
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import Updates
from codegemma_ui.ui.strings import Language, text

FIRST = "quickstart"
"""The key of the example that is shown completed."""

RECORDED = Path(__file__).parent / "first_completion.json"


def updates(
    page: Page, client: EngineClient, query: Mapping[str, str], language: Language
) -> Updates:
    """Return the page's updates for an address; what it names and does not exist is said.

    Args:
        query: the parameters of the address. An empty `example` leaves the editors empty.
    """
    if "lesson" in query:
        by_number = {str(number): one.key for number, one in enumerate(lessons.LESSONS, 1)}
        key = by_number.get(query["lesson"], query["lesson"])
        named = lesson_events.opened(page, key, None, language)
    elif "example" in query:
        named = editing.example_updates(page, query["example"])
    else:
        return _first(page, client, language, "first_completion")
    if named or not query.get("lesson", query.get("example")):
        return named
    return _first(page, client, language, "address_unknown")


def _first(page: Page, client: EngineClient, language: Language, says: str) -> Updates:
    """Return the first example with its completion.

    Args:
        says: the key of the notice.
    """
    run = render.Run.of(recorded(), None)
    run.time_limit_s = client.settings.time_limit_s
    run.context_length = client.status().context_length
    note = render.notice(text(says, language))
    shown = editing.example_updates(page, FIRST) | {page.example: FIRST}
    return shown | completing.ended(page, run, language, opened=note)


@cache
def recorded() -> Recording:
    """Return the bundled model's completion of the first example, made by `tools.first_completion`."""
    return recording.from_dict(json.loads(RECORDED.read_text(encoding="utf-8")))
