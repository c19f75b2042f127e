"""A lesson sets up the page and starts nothing; its task and its hint are a button away."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from playwright.sync_api import expect

from codegemma_ui.ui.lessons import LESSONS, Lesson, State
from codegemma_ui.ui.strings import Language, text
from tests.browser.playground import OpenPage, Playground, Scripted


def said(key: str, language: Language) -> str:
    """Return a lesson's text as displayed, with visible spaces in code."""
    parts = text(f"lesson_{key}_says", language).split("`")
    return "".join(part.replace(" ", "·") if at % 2 else part for at, part in enumerate(parts))


def open_lesson(playground: Playground, key: str) -> None:
    playground.open_tab("lessons")
    playground.page.locator(f"button[data-lesson={key}]").click()
    expect(playground.page.locator("#lesson h2")).to_be_focused()


def expect_state(playground: Playground, scripted: Scripted, state: State) -> None:
    """Check that the next request is the lesson's."""
    playground.wait_for_text("before", state.prefix)
    playground.wait_for_text("after", state.suffix)
    count = len(scripted.client.requests)
    playground.press_complete()
    while scripted.client.ended == count:  # ends with the test's own time limit
        playground.page.wait_for_timeout(20)
    playground.wait_until_done()
    (request,) = scripted.client.requests[count:]
    assert request == {
        "prefix": state.prefix,
        "suffix": state.suffix,
        "max_length": state.max_length,
        "temperature": 0,
        "top_k": 0,
        "top_p": 1,
        "seed": None,
        "stop_on_repetition": True,
        "layout": state.layout,
        "path": state.path,
        "files": [asdict(one) for one in state.files],
    }


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.key)
def test_a_lesson_sets_the_page_and_starts_nothing(
    lesson: Lesson, playground: Playground, scripted: Scripted
) -> None:
    playground.page.locator("#ending label", has_text="CRLF").click()
    open_lesson(playground, lesson.key)
    card = playground.page.locator("#lesson")
    expect(card.locator(".lesson-says")).to_have_text(said(lesson.key, "en"))
    assert scripted.client.requests == []
    expect_state(playground, scripted, lesson.state)
    card.locator(".look .tab").click()
    expect(playground.page.locator(f"#{lesson.tab.replace('_', '-')}")).to_be_visible()
    for key, state in lesson.tries.items():
        card.get_by_role("button", name=text(f"lesson_{lesson.key}_{key}", "en")).click()
        expect(card.locator("[aria-pressed=true]")).to_have_text(
            text(f"lesson_{lesson.key}_{key}", "en")
        )
        expect_state(playground, scripted, state)


def test_from_one_to_the_next_and_out(playground: Playground) -> None:
    open_lesson(playground, LESSONS[0].key)
    card = playground.page.locator("#lesson")
    expect(card.locator(".back")).to_be_disabled()
    for number in range(2, len(LESSONS) + 1):
        card.locator(".next").press("Enter")
        expect(card.locator("h2")).to_contain_text(f"Lesson {number} of {len(LESSONS)}")
    expect(card.locator(".next")).to_be_disabled()
    card.locator(".close").press("Enter")
    expect(card.locator("section")).to_have_count(0)
    playground.wait_for_text("before", LESSONS[-1].state.prefix)  # closing removes nothing


def test_a_lesson_changes_its_language_with_the_page(playground: Playground) -> None:
    open_lesson(playground, "suffix")
    playground.page.locator("#language-choice label", has_text="한국어").click()
    card = playground.page.locator("#lesson")
    expect(card.locator(".lesson-says")).to_have_text(said("suffix", "ko"))
    expect(playground.page.locator("button[data-lesson=suffix]")).to_contain_text(
        text("lesson_suffix", "ko")
    )


def test_a_phone_opens_every_tab_a_lesson_names(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, width=390, height=844)
    playground.open_tab("lessons")
    playground.page.locator(f"button[data-lesson={LESSONS[0].key}]").click()
    card = playground.page.locator("#lesson")
    for number, lesson in enumerate(LESSONS, start=1):
        expect(card.locator("h2")).to_contain_text(f"Lesson {number} ")
        card.locator(".look .tab").click()
        expect(playground.page.locator(f"#{lesson.tab.replace('_', '-')}")).to_be_visible()
        assert playground.page.evaluate("document.documentElement.scrollWidth") <= 390
        if number < len(LESSONS):
            card.locator(".next").click()
