"""A lesson sets up the page, opens the view it speaks of and starts nothing; its card stays in view, with a
prediction before the run and the answer after it."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from playwright.sync_api import expect

from codegemma_ui.ui.lessons import LESSONS, Lesson, State, by_key
from codegemma_ui.ui.strings import Language, text
from tests.browser.playground import OpenPage, Playground, Scripted


def said(key: str, language: Language) -> str:
    """Return a lesson's text as displayed, with visible spaces in code."""
    parts = text(f"lesson_{key}_says", language).split("`")
    return "".join(part.replace(" ", "␣") if at % 2 else part for at, part in enumerate(parts))


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
        "one_line": False,
        "stop": [],
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
    expect(playground.page.locator(f"#{lesson.tab.replace('_', '-')}")).to_be_visible()
    expect_state(playground, scripted, lesson.state)
    for key, state in lesson.tries.items():
        playground.open_tab("take")
        card.get_by_role("button", name=text(f"lesson_{lesson.key}_{key}", "en")).click()
        expect(card.locator("[aria-pressed=true]")).to_have_text(
            text(f"lesson_{lesson.key}_{key}", "en")
        )
        expect(playground.page.locator(f"#{lesson.tab.replace('_', '-')}")).to_be_visible()
        expect_state(playground, scripted, state)
        assert playground.page.evaluate("scrollY") == 0


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768)])
@pytest.mark.parametrize("query", ["", "&present"])
def test_the_code_the_button_and_the_view_fit_under_the_card(
    scripted: Scripted, open_page: OpenPage, width: int, height: int, query: str
) -> None:
    for number, lesson in enumerate(LESSONS, start=1):
        playground = open_page(scripted.url, f"?lesson={number}{query}", width=width, height=height)
        view = playground.page.locator(f"#{lesson.tab.replace('_', '-')}")
        expect(view).to_be_visible()
        playground.page.locator("#lesson .run").click()
        expect(playground.page.locator("#lesson .answer code").first).to_be_visible()
        for part in ("#lesson", "#before", "#complete", "#after"):
            expect(playground.page.locator(part)).to_be_in_viewport(ratio=1)
        top = view.bounding_box()
        assert top
        assert top["y"] + 120 <= height
        playground.page.close()


def test_the_card_stays_in_view_wherever_the_page_is_scrolled_to(
    scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, "?lesson=4", width=390, height=844)
    card = playground.page.locator("#lesson")
    expect(card.locator("h2")).to_be_visible()
    playground.page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    expect(card.locator("h2")).to_be_in_viewport()
    expect(card.locator(".run")).to_be_in_viewport()
    box = card.bounding_box()
    assert box
    assert box["height"] < 844 / 3


def test_a_prediction_stands_beside_what_the_model_wrote(
    playground: Playground, scripted: Scripted
) -> None:
    open_lesson(playground, "suffix")
    card = playground.page.locator("#lesson")
    answer = card.locator(".answer")
    scripted.client.middle = "math"
    card.locator("#lesson-guess").fill(" math")
    expect(answer).to_be_empty()
    card.locator("#lesson-guess").press("Enter")
    expect(answer).to_have_text("The model wrote math You predicted ␣math ✓ same")
    (request,) = scripted.client.requests
    assert request["prefix"] == by_key("suffix").state.prefix

    card.locator(".way").last.click()
    expect(answer).to_be_empty()
    expect(card.locator("#lesson-guess")).to_have_value("")
    card.locator("#lesson-guess").fill("os")
    card.locator(".run").click()
    expect(answer).to_have_text("The model wrote math You predicted os ✗ different")

    # The prediction counts as it was before the run, and a lesson remembers its own.
    card.locator("#lesson-guess").fill("math")
    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect(answer).to_contain_text("os")
    card.locator(".way").first.click()
    expect(card.locator("#lesson-guess")).to_have_value(" math")


def test_without_a_prediction_the_answer_is_told_alone(
    playground: Playground, scripted: Scripted
) -> None:
    open_lesson(playground, "fim")
    scripted.client.middle = "sys"
    playground.page.locator("#lesson .run").click()
    expect(playground.page.locator("#lesson .answer")).to_have_text("The model wrote sys")


def test_present_shows_large_type_and_no_choices(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, "?lesson=3&present")
    expect(playground.page.locator("#lesson h2")).to_contain_text("Lesson 3")
    expect(playground.page.locator("#choices")).to_be_hidden()
    expect(playground.page.locator("#before .cm-editor")).to_have_css("font-size", "20px")


def test_a_program_of_the_quiz_closes_the_lesson(playground: Playground) -> None:
    open_lesson(playground, "fim")
    expect(playground.page.locator("#program")).to_be_visible()
    playground.open_tab("lessons")
    playground.page.locator("#quiz .load").click()
    expect(playground.page.locator("#lesson section")).to_have_count(0)


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
    expect(playground.page.locator("#tokens")).to_be_visible()
    playground.open_tab("lessons")
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
