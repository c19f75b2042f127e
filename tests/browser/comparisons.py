"""Helpers to find and start the comparisons on a page."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.playground import SECONDS, Playground

ORDERS = ("psm", "spm", "ltr")
RACE, GAIN = "race", "suffix"


def open_view(playground: Playground, name: str) -> None:
    """Open its tab, and wait until it can be started."""
    playground.open_tab(name)
    expect(playground.page.locator(".view .start").locator("visible=true")).to_have_count(1)


def race_starter(playground: Playground) -> Locator:
    return playground.page.locator("#race .start")


def lane(playground: Playground, layout: str) -> Locator:
    return playground.page.locator(f"#race .lane[data-layout={layout}]")


def race(playground: Playground, timeout: float = 30 * SECONDS) -> dict[str, str]:
    """Run a race to its end; return the middles by their layout."""
    with playground.a_run(timeout):
        race_starter(playground).click()
    for layout in ORDERS:
        expect(lane(playground, layout)).to_have_class("lane done")
    return {one: lane(playground, one).locator("pre").text_content() or "" for one in ORDERS}


def gain(playground: Playground) -> Locator:
    """Return the drawn view; the data for its script is in a hidden element next to it."""
    return playground.page.locator("#suffix .stage")


def score(playground: Playground) -> None:
    """Start the score of the suffix, and wait for the result."""
    gain(playground).locator(".start").click()
    expect(gain(playground).locator(".reading")).to_be_visible(timeout=30 * SECONDS)
    playground.wait_until_idle()
