"""The layout is stable while text streams, fits a phone, and changes its theme without a reload."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.boxes import BOXES
from tests.browser.playground import OpenPage, Playground, Scripted


def test_nothing_moves_while_text_streams(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "import ")
    scripted.client.pause_s = 2.0
    before = playground.page.evaluate(BOXES)
    playground.press_complete()
    expect(playground.editor("middle")).to_contain_text("sys")
    assert playground.page.evaluate(BOXES) == before
    scripted.client.pause_s = 0.0
    playground.wait_until_done()
    grown = playground.page.evaluate(BOXES)  # the middle to its text, once that has come
    for name in ("before", "after", "buttons", "middle"):
        assert grown[name] == before[name]


@pytest.mark.parametrize("query", ["", "?lang=ko"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768), (1920, 1080)])
def test_the_first_screen_holds_a_whole_completion(
    width: int, height: int, query: str, scripted: Scripted, open_page: OpenPage
) -> None:
    """Both editors, the buttons, the outcome, the tabs, and at least ten lines of the open view."""
    playground = open_page(scripted.url, query, width=width, height=height)
    playground.write("before", "import ")
    playground.write("after", "\n" * 12)
    playground.press_complete_in("before")
    playground.wait_until_done()
    bottoms = playground.page.evaluate(
        """() => ["before", "after", "buttons", "middle", "caption", "panes"].map(
            (id) => document.getElementById(id).getBoundingClientRect().bottom)"""
    )
    assert max(bottoms) <= height
    first, line = playground.page.evaluate(
        """() => {
            const code = document.querySelector("#program pre");
            return [code.getBoundingClientRect().top, parseFloat(getComputedStyle(code).lineHeight)];
        }"""
    )
    assert first + 10 * line <= height
    assert playground.page.evaluate("scrollY") == 0


def test_a_phones_first_screen_has_an_editor_and_complete(
    scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, width=390, height=844)
    for name in ("before", "complete"):
        box = playground.page.locator(f"#{name}").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844


def test_an_edit_marks_the_completion_as_of_the_earlier_text(playground: Playground) -> None:
    marked = playground.page.locator("html[data-stale]")
    playground.write("before", "import ")
    playground.press_complete()
    playground.wait_until_done()
    expect(marked).to_have_count(0)
    playground.page.keyboard.press("Tab")
    expect(marked).to_have_count(0)
    playground.page.keyboard.type("# more")
    expect(marked).to_have_count(1)


@pytest.mark.parametrize("query", ["", "?lang=ko"])
def test_a_phone_shows_everything_without_scrolling_sideways(
    query: str, scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, query, width=390, height=844)
    playground.open_advanced()
    playground.write("before", "a_very_long_line = " + "1 + " * 80)
    playground.page.locator("#complete").click()
    playground.wait_until_done()
    wide, cut = playground.page.evaluate(
        """() => [
            document.documentElement.scrollWidth,
            [...document.querySelectorAll("main button, main input, main label, main .block")]
                .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 2)
                .filter((one) => !one.closest("[aria-hidden=true]")) // tabs that Gradio only measures
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .map((one) => one.id || one.className),
        ]"""
    )
    assert wide <= 390
    assert cut == []


def test_on_a_phone_nothing_is_left_free_below_the_editors(
    scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, width=390, height=844)

    def gap(below: str) -> float:
        upper, lower = (playground.page.locator(one).bounding_box() for one in ("#after", below))
        assert upper
        assert lower
        return lower["y"] - upper["y"] - upper["height"]

    assert 8 <= gap("#limits") <= 20
    playground.write("before", "import ")  # it ends in a space, which is a finding
    finding = playground.page.locator("#boundaries .findings li").first
    expect(finding).to_be_visible()
    assert 8 <= gap("#boundaries .findings") <= 20


def test_the_theme_switch_needs_no_reload(playground: Playground) -> None:
    playground.write("before", "import os")
    expect(playground.page.locator("#before .cm-content span").first).to_be_visible()
    colour = "getComputedStyle(document.querySelector('#before .cm-content span')).color"
    ground = "getComputedStyle(document.querySelector('#before .cm-editor')).backgroundColor"
    light = playground.page.evaluate(f"[{colour}, {ground}]")
    playground.page.locator("#theme").click()
    dark = playground.page.evaluate(f"[{colour}, {ground}]")
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert playground.text("before") == "import os"


def test_a_dark_page_by_its_address(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, "?__theme=dark")
    assert playground.page.evaluate("document.body.classList.contains('dark')")


def test_the_timers_of_quiet_events_are_nowhere(playground: Playground) -> None:
    trackers = playground.page.locator("#status [data-testid=status-tracker]")
    expect(trackers).to_have_class(re.compile(r"\bhide\b"))
    assert trackers.evaluate("one => one.checkVisibility()") is False
