"""The six lessons: text in both languages, states that the page accepts, and existing tabs."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import gradio as gr
import pytest

from codegemma_ui.fim.scoring import parses
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import parse_request
from codegemma_ui.presets import bundled
from codegemma_ui.ui import lesson_events
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.lessons import LESSONS, PROGRAMS, Lesson, by_key
from codegemma_ui.ui.strings import LANGUAGES, TABLE, Language, text
from codegemma_ui.ui.views import lessons as view


def test_there_are_six() -> None:
    assert len(LESSONS) == len({lesson.key for lesson in LESSONS}) == 6
    assert [by_key(lesson.key) for lesson in LESSONS] == list(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.key)
def test_a_lesson_says_two_or_three_sentences_in_both_languages(lesson: Lesson) -> None:
    for column, said in enumerate(TABLE[f"lesson_{lesson.key}_says"]):
        ends = r"[.!?](?=\s|$)" if column == 0 else r"[.](?=\s|$)"
        assert len(re.findall(ends, said)) in (2, 3), said
    for key in lesson.tries:
        assert f"lesson_{lesson.key}_{key}" in TABLE


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.key)
def test_the_bundled_model_takes_a_lessons_state_whole(
    lesson: Lesson, vocabulary: Vocabulary
) -> None:
    for state in (lesson.state, *lesson.tries.values()):
        request = parse_request(asdict(state), bundled().context_length)
        prompt = vocabulary.prompt_of(request)
        assert prompt.trimmed_prefix_tokens == prompt.trimmed_suffix_tokens == 0
        assert prompt.trimmed_context_tokens == 0
        assert bundled().knows(state.layout)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.key)
def test_a_card_leads_on_and_back(lesson: Lesson, language: Language) -> None:
    facts = view.card_facts(lesson, None, language)
    assert lesson.tab in view.TABS
    at = LESSONS.index(lesson)
    assert facts["number"] == at + 1
    assert facts["question"] == text(view.QUESTIONS[lesson.key], language)
    assert facts["back"] == (LESSONS[at - 1].key if at else None)
    assert facts["next"] == (LESSONS[at + 1].key if at + 1 < len(LESSONS) else None)
    opened = {"lesson": lesson.key, "try": None}
    assert lesson.key in view.card(opened, language)
    # What was open before does not open its tab again.
    assert "&quot;asked&quot;:null" in view.card(opened, language)
    assert "&quot;asked&quot;:0" in view.card(opened, language, asked=0)
    assert view.card(None, language) == ""


def test_every_program_of_the_quiz_is_python_of_several_lines() -> None:
    for program in PROGRAMS:
        assert parses(program)
        assert program.count("\n") > 5
    assert len(set(PROGRAMS)) == len(PROGRAMS)


def test_a_state_is_greedy_and_in_python() -> None:
    page = Page()
    with gr.Blocks():
        for name in ("before", "after", "path", "code_language", "ending", "example"):
            page.add(name, gr.Textbox, labels={})
        for name in ("max_length", "temperature", "top_k", "top_p", "seed"):
            page.add(name, gr.Number, labels={})
        for name in (
            "files",
            "layout",
            "stop_on_repetition",
            "one_line",
            "auto_length",
            "stop_strings",
        ):
            page.add(name, gr.JSON, labels={})
    updates = lesson_events._values(page, LESSONS[0].state)
    values = {name: updates[control] for name, control in page.controls.items()}
    assert (values["before"], values["after"]) == (LESSONS[0].state.prefix, LESSONS[0].state.suffix)
    greedy: dict[str, Any] = {
        "temperature": 0,
        "top_k": 0,
        "top_p": 1,
        "seed": None,
        "stop_on_repetition": True,
    }
    greedy |= {"auto_length": False, "one_line": False, "stop_strings": []}
    assert values == values | greedy | {"code_language": "python", "ending": "LF", "example": ""}
