"""The first minute: the tutorial's example with a recorded completion, or what the address names."""

from __future__ import annotations

from playwright.sync_api import expect

from codegemma_ui.ui import examples, lessons, opening
from codegemma_ui.ui.strings import text
from tests.browser.playground import OpenPage, Playground, Scripted

FIRST = examples.by_key(opening.FIRST)


def test_it_opens_with_a_recorded_completion(open_page: OpenPage, scripted: Scripted) -> None:
    page = open_page(scripted.url).page.context.new_page()  # whose tab keeps nothing
    playground = Playground(page, scripted.url)
    page.goto(scripted.url)
    playground.wait_for_text("before", FIRST.prefix)
    playground.wait_for_text("after", FIRST.suffix)
    expect(playground.ghost).to_have_count(1)
    expect(playground.answer).to_contain_text(text("first_completion", "en"))
    middle = opening.recorded().tokens[0].text
    assert playground.text("middle").startswith(middle)
    assert scripted.client.requests == []
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+End")
    playground.page.keyboard.press("Tab")
    assert playground.text("before").startswith(FIRST.prefix + middle)
    assert playground.trouble == []


def test_clear_is_kept(open_page: OpenPage, scripted: Scripted) -> None:
    playground = open_page(scripted.url, "?example=table")
    playground.wait_for_text("before", examples.by_key("table").prefix)
    playground.page.locator("#clear").click()
    playground.wait_for_text("before", "")
    playground.page.reload()
    expect(playground.token_sum).to_be_visible()
    playground.wait_for_text("before", "")
    playground.wait_for_text("after", "")


def test_the_address_names_a_lesson(open_page: OpenPage, scripted: Scripted) -> None:
    playground = open_page(scripted.url, "?lesson=3&example=")
    lesson = lessons.LESSONS[2]
    playground.wait_for_text("before", lesson.state.prefix)
    expect(playground.page.locator("#lesson")).to_contain_text(text(f"lesson_{lesson.key}", "en"))


def test_help_says_which_keys_there_are(playground: Playground) -> None:
    playground.page.locator("[data-help]").click()
    dialog = playground.page.locator("dialog#help")
    expect(dialog).to_contain_text(text("help_leave", "en"))
    expect(dialog.get_by_role("link")).to_have_count(3)
    playground.page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_the_header_opens_lessons_and_share(playground: Playground) -> None:
    for tab in ("lessons", "take"):
        playground.page.locator(f"[data-open-tab={tab}]").click()
        expect(playground.page.locator(f"#{tab}")).to_be_visible()
