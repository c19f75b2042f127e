"""Handlers of the lessons: opening one sets the editors and the settings, clears the last completion, and
starts nothing."""

from __future__ import annotations

from codegemma_ui.settings import Settings
from codegemma_ui.ui import completing, lessons, received
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP, Updates
from codegemma_ui.ui.lessons import State
from codegemma_ui.ui.requests import follow_again
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import lessons as lessons_view


def wire(page: Page, settings: Settings) -> None:
    """Connect the tab and the open lesson."""
    outputs = [
        *_values(page, State()),
        *completing.results(page),
        page.lesson,
        page.lesson_open,
    ]

    def open_lesson(sent: str, language: Language) -> Updates:
        """Open `{"lesson": key, "try": key or null}`, close at `{"lesson": null}`, or load the whole program
        `{"program": 0}`."""
        none = completing.nothing(page, language)
        closed: Updates = {page.lesson: "", page.lesson_open: None} | follow_again(page, settings)
        try:
            payload = received.mapping(sent)
            if "program" in payload:
                program = lessons.PROGRAMS[int(payload["program"]) % len(lessons.PROGRAMS)]
                return _values(page, State(prefix=program)) | none | closed
            if payload["lesson"] is None:
                return closed
            asked = int(payload.get("asked", 0))
            return opened(page, payload["lesson"], payload.get("try"), language, asked)
        except (ValueError, KeyError, TypeError):
            return SKIP

    page.lesson_ask.change(
        open_lesson, inputs=[page.lesson_ask, page.language_choice], outputs=outputs, **AT_ONCE
    )


def opened(page: Page, key: str, tried: str | None, language: Language, asked: int = 0) -> Updates:
    """Return the page's updates for a lesson or one of its variations; none if there is no such lesson.

    Args:
        asked: the page's number of the request, 0 for an address.
    """
    try:
        lesson = lessons.by_key(key)
        state = lesson.tries[tried] if tried is not None else lesson.state
    except KeyError:
        return {}
    open_one = {"lesson": lesson.key, "try": tried}
    return (
        _values(page, state)
        | completing.nothing(page, language)
        | {
            page.lesson: lessons_view.card(open_one, language, asked=asked),
            page.lesson_open: open_one,
        }
    )


def _values(page: Page, state: State) -> Updates:
    """Return the values of the controls in a lesson: greedy, in Python, with LF."""
    return {
        page.before: state.prefix,
        page.after: state.suffix,
        page.path: state.path,
        page.files: [{"path": one.path, "text": one.text} for one in state.files],
        page.max_length: state.max_length,
        page.auto_length: False,
        page.one_line: False,
        page.stop_strings: [],
        page.layout: state.layout,
        page.temperature: 0,
        page.top_k: 0,
        page.top_p: 1,
        page.seed: None,
        page.stop_on_repetition: True,
        page.code_language: "python",
        page.ending: "LF",
        page.example: "",
    }
