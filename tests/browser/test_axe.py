"""axe-core finds no problems, in either theme, on a desktop and a phone, with every view filled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import comparisons
from tests.browser.every_control import fill_the_page
from tests.browser.playground import OpenPage, Playground, Scripted

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}
SETTLED = """() => document.getAnimations().every(
    (one) => one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity)"""
SIZES = [(1280, 900), (390, 844)]


def states(playground: Playground) -> Iterator[str]:
    """The page from its first state to every view with content."""
    page = playground.page
    yield "first look"
    playground.write("before", "import os\n\n\nprint(")
    playground.write("after", ")\n")
    page.locator("#complete").click()
    playground.wait_until_done()
    for pane in ("program", "raw-prompt", "raw-output", "xray"):
        playground.open_tab(pane)
        yield pane
    playground.open_tab("tokens")
    page.locator("#tokens .cell").nth(2).click()
    page.locator("#tokens .others button:not(:disabled)").first.click()
    expect(page.locator("#tokens .branches li")).to_have_count(2)
    playground.wait_until_idle()
    page.locator("#tokens .go-on").click()
    expect(page.locator("#tokens .branches li")).to_have_count(3)
    playground.wait_until_idle()
    page.locator("#tokens .cell").first.click()
    yield "tokens"
    playground.open_tab("race")
    page.locator("#truth-fold > button").click()
    page.locator("#truth textarea").fill("os")
    comparisons.race(playground)
    yield "race"
    playground.open_tab("suffix")
    comparisons.score(playground)
    yield "suffix"
    playground.open_tab("take")
    expect(page.locator("#take .choice").first).to_be_visible()
    yield "take"
    fill_the_page(playground)
    yield "lesson, quiz, boundaries and settings"


@pytest.mark.timeout(180)  # a dozen states, each examined whole
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["wide", "phone"])
def test_axe_finds_nothing(
    theme: str, size: tuple[int, int], scripted: Scripted, open_page: OpenPage
) -> None:
    scripted.client.middle = "sys\nimport re\n"
    scripted.client.pause_s = 0.1  # a busy browser must not draw a race's start and end at once
    playground = open_page(scripted.url, f"?__theme={theme}", width=size[0], height=size[1])
    found = set()
    for state in states(playground):
        playground.page.wait_for_function(SETTLED)
        for violation in Axe().run(playground.page, options=RULES).response["violations"]:
            for node in violation["nodes"]:
                found.add((violation["id"], state, node["html"][:200], node["failureSummary"]))
    assert not found, "\n\n".join("\n".join(each) for each in sorted(found))
