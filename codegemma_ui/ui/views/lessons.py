"""Lessons: the list in its tab, and the card of the open one, which stays in view."""

from __future__ import annotations

from typing import Any

from codegemma_ui.ui.lessons import LESSONS, Lesson, by_key
from codegemma_ui.ui.strings import Language, text
from codegemma_ui.ui.views import shell

NAME = "lessons"
CARD = "lesson"

WORDS = (
    *("lessons_list", "lesson_of", "lesson_look", "lesson_try", "lesson_as_given"),
    *("lesson_next", "lesson_back", "lesson_close"),
    *("lessons_run", "lessons_guessed", "lessons_wrote"),
    *("quiz_same", "quiz_other", "quiz_nothing"),
)

TABS = {
    "program": "program",
    "raw_prompt": "raw_prompt",
    "xray": "tab_xray",
    "tokens": "tab_tokens",
}
"""The strings that name the tabs a lesson may refer to."""

QUESTIONS = {
    "fim": "lessons_ask_module",
    "anatomy": "lessons_ask_module",
    "suffix": "lessons_ask_module",
    "boundaries": "lessons_ask_code",
    "stopping": "lessons_ask_end",
    "files": "lessons_ask_parameter",
}
"""What a lesson asks before it is run, by its key."""


def view(language: Language) -> str:
    """Return the list of all lessons."""
    listed = [{"key": one.key, "title": text(f"lesson_{one.key}", language)} for one in LESSONS]
    return shell(NAME, language, {"lessons": listed})


def card(
    opened: dict[str, str | None] | None, language: Language, *, asked: int | None = None
) -> str:
    """Return the open lesson, or nothing.

    Args:
        opened: `{"lesson": key, "try": key or None}`.
        asked: the number of the request that opened it just now, so that its tab is opened too; None if
            the lesson was open before.
    """
    if opened is None:
        return ""
    lesson = by_key(str(opened["lesson"]))
    return shell(CARD, language, card_facts(lesson, opened["try"], language) | {"asked": asked})


def card_facts(lesson: Lesson, tried: str | None, language: Language) -> dict[str, Any]:
    """Return what `static/lessons.js` draws of one lesson.

    Args:
        tried: the variation in the editors, if any.
    """
    at = LESSONS.index(lesson)
    return {
        "key": lesson.key,
        "number": at + 1,
        "count": len(LESSONS),
        "title": text(f"lesson_{lesson.key}", language),
        "says": text(f"lesson_{lesson.key}_says", language),
        "tab": lesson.tab.replace("_", "-"),
        "tab_name": text(TABS[lesson.tab], language),
        "question": text(QUESTIONS[lesson.key], language),
        "tries": [
            {"key": key, "label": text(f"lesson_{lesson.key}_{key}", language)}
            for key in lesson.tries
        ],
        "tried": tried,
        "back": LESSONS[at - 1].key if at else None,
        "next": LESSONS[at + 1].key if at + 1 < len(LESSONS) else None,
    }
