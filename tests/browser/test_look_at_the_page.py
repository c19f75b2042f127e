"""The layout is stable while text streams, fits a phone, and changes its theme without a reload."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.boxes import BOXES
from tests.browser.playground import OpenPage, Playground, Scripted


def test_nothing_moves_while_text_streams(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "import ")
    scripted.client.pause_s = 0.05
    before = playground.page.evaluate(BOXES)
    playground.press_complete()
    expect(playground.editor("middle")).to_contain_text("sys")
    assert playground.page.evaluate(BOXES) == before
    playground.wait_until_done()
    assert playground.page.evaluate(BOXES) == before


def test_the_editors_are_as_tall_as_the_result(playground: Playground) -> None:
    heights = playground.page.evaluate(
        """() => ["before", "after", "mine", "models"].map(
            (id) => document.getElementById(id).getBoundingClientRect().height)"""
    )
    assert heights[0] == heights[1]
    assert heights[2] == heights[3]


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


def test_on_a_phone_no_hole_stands_between_the_editors_and_the_middle(
    scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, width=390, height=844)

    def gap(below: str) -> float:
        upper, lower = (playground.page.locator(one).bounding_box() for one in ("#after", below))
        assert upper
        assert lower
        return lower["y"] - upper["y"] - upper["height"]

    assert 8 <= gap("#middle") <= 20
    playground.write("before", "import ")  # it ends in a space, which is a finding
    finding = playground.page.locator("#boundaries .findings li").first
    expect(finding).to_be_visible()
    assert 8 <= gap("#boundaries .findings") <= 20


def test_the_theme_switch_needs_no_reload(playground: Playground) -> None:
    playground.write("before", "import os")
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
