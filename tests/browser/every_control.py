"""A page with every view filled."""

from __future__ import annotations

from playwright.sync_api import expect

from codegemma_ui.ui.lessons import by_key
from tests.browser.playground import Playground


def fill_the_page(playground: Playground) -> None:
    """Show a lesson, findings, a compared guess and the advanced settings, all at once."""
    playground.open_tab("lessons")
    playground.page.locator("#quiz .load").click()
    expect(playground.editor("before")).to_contain_text("def ")
    playground.editor("before").click()
    playground.page.keyboard.press("Control+Home")
    playground.page.keyboard.press("Shift+ArrowDown")
    playground.page.locator("#quiz .punch").click()
    playground.page.locator("#quiz .compare").click()
    expect(playground.page.locator("#quiz tr[data-who=truth]")).to_be_visible()
    playground.page.locator("button[data-lesson=boundaries]").click()
    playground.page.locator("#lesson .way").last.click()
    playground.wait_for_text("after", by_key("boundaries").tries["inside"].suffix)
    playground.write("after", "ues\n\tx = '<|fim_middle|>'\n")
    playground.page.locator("#boundaries .more").click()
    for why in playground.page.locator("#boundaries .ask").all():
        why.click()
    expect(playground.page.locator("#tokens")).to_be_visible()  # which the lesson has opened
    playground.open_tab("lessons")
    playground.open_advanced()
