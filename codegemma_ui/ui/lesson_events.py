"""Lessons on the page: opening one sets the editors and the settings, clears what was written before, and
starts nothing."""

from __future__ import annotations

from typing import Any

from codegemma_ui.ui import completing, lessons, received
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import AT_ONCE, SKIP
from codegemma_ui.ui.lessons import State
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import lessons as lessons_view


def wire(page: Page) -> None:
    """Connect what the tab and the open lesson ask for."""
    state = [
        page.before,
        page.after,
        page.path,
        page.files,
        page.max_length,
        page.layout,
        page.temperature,
        page.top_k,
        page.top_p,
        page.seed,
        page.stop_on_repetition,
        page.code_language,
        page.ending,
        page.example,
    ]
    results = completing.results(page)
    outputs = [*state, *results, page.lesson, page.lesson_open]

    def ask(asked: str, language: Language) -> list[Any]:
        """`{"lesson": key, "try": key or null}` opens one, `{"lesson": null}` closes it, and
        `{"program": 0}` loads a whole program."""
        none = completing.nothing(language)
        try:
            question = received.mapping(asked)
            if "program" in question:
                program = lessons.PROGRAMS[int(question["program"]) % len(lessons.PROGRAMS)]
                return [*_values(State(prefix=program)), *none, SKIP, SKIP]
            if question["lesson"] is None:
                return [*[SKIP] * (len(outputs) - 2), "", None]
            lesson = lessons.by_key(question["lesson"])
            tried = question.get("try")
            values = _values(lesson.tries[tried] if tried is not None else lesson.state)
        except (ValueError, KeyError, TypeError):
            return [SKIP] * len(outputs)
        opened = {"lesson": lesson.key, "try": tried}
        return [*values, *none, lessons_view.card(opened, language), opened]

    page.lesson_ask.change(
        ask, inputs=[page.lesson_ask, page.language_choice], outputs=outputs, **AT_ONCE
    )


def _values(state: State) -> list[Any]:
    """In the order of the controls: greedy, in Python, with LF."""
    files = [{"path": one.path, "text": one.text} for one in state.files]
    return [
        state.prefix,
        state.suffix,
        state.path,
        files,
        state.max_length,
        state.layout,
        *(0, 0, 1, None, True),
        *("python", "LF", ""),
    ]
