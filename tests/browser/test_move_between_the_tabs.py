"""The tabs are one tab stop; arrow keys, Home and End move between all of them, those in the menu too."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.playground import OpenPage, Playground, Scripted

ALL = (
    *("Program", "Raw prompt", "Raw output", "Prompt X-ray", "Tokens"),
    *("Layout race", "Suffix gain", "Lessons", "Share"),
)
FOCUSED = "document.activeElement.textContent.trim()"


def at(playground: Playground, name: str) -> None:
    """Wait until a tab is open, has the focus, and is the only tab stop of the line."""
    tab = playground.page.get_by_role("tab", name=name, exact=True)
    expect(tab).to_be_focused()
    expect(tab).to_have_attribute("aria-selected", "true")
    stops = playground.page.locator("#panes > .tab-wrapper [role=tab][tabindex='0']")
    expect(stops).to_have_text([name])


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_arrows_go_through_every_tab(
    width: int, height: int, scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, width=width, height=height)
    playground.page.get_by_role("tab", name=ALL[0]).focus()
    for name in (*ALL[1:], ALL[0]):
        playground.page.keyboard.press("ArrowRight")
        at(playground, name)
    playground.page.keyboard.press("ArrowLeft")
    at(playground, ALL[-1])
    playground.page.keyboard.press("Home")
    at(playground, ALL[0])
    playground.page.keyboard.press("End")
    at(playground, ALL[-1])


def test_tab_leaves_the_line_of_tabs(playground: Playground) -> None:
    playground.page.get_by_role("tab", name="Program").focus()
    playground.page.keyboard.press("ArrowRight")
    at(playground, "Raw prompt")
    playground.page.keyboard.press("Tab")
    expect(playground.page.get_by_role("button", name="More tabs")).to_be_focused()
    playground.page.keyboard.press("Shift+Tab")
    at(playground, "Raw prompt")


def test_the_menu_works_by_keyboard(playground: Playground) -> None:
    page = playground.page
    more = page.get_by_role("button", name="More tabs")
    more.focus()
    expect(more).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(more).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(more).to_have_attribute("aria-expanded", "false")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    name = page.evaluate(FOCUSED)
    assert name in ALL[3:]
    page.keyboard.press("Enter")
    at(playground, name)
