"""The middle's pane is reached by keyboard, selects its own text alone, and copies it exactly."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted

MIDDLE = "  first\n" + "line\n" * 200 + "\tlast  \n"


@pytest.fixture
def completed(playground: Playground, scripted: Scripted) -> Playground:
    scripted.client.middle = MIDDLE
    playground.write("before", "import ")
    playground.press_complete_in("before")
    playground.wait_until_done()
    return playground


def clipboard(playground: Playground) -> str:
    return str(playground.page.evaluate("navigator.clipboard.readText()"))


def test_its_button_copies_it(completed: Playground) -> None:
    button = completed.page.locator("[data-copy-middle]")
    button.click()
    expect(button).to_have_text("Copied")
    assert clipboard(completed) == MIDDLE


def test_select_all_and_copy_by_keyboard(completed: Playground) -> None:
    completed.editor("middle").focus()
    expect(completed.editor("middle")).to_be_focused()
    completed.page.keyboard.press("ControlOrMeta+a")
    assert "Before the cursor" not in str(completed.page.evaluate("getSelection().toString()"))
    completed.page.keyboard.press("ControlOrMeta+c")
    assert clipboard(completed) == MIDDLE


def test_it_copies_the_programs_line_ending(completed: Playground) -> None:
    completed.page.locator("#ending").get_by_text("CRLF").click()
    completed.page.locator("[data-copy-middle]").click()
    expect(completed.page.locator("[data-copy-middle]")).to_have_text("Copied")
    assert "\r\n" in completed.page.evaluate("navigator.clipboard.readText()")
