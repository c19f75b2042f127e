"""Without a seed each sample is a new one, whether or not the advanced settings were opened."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted


def test_opening_advanced_leaves_the_seed_random(
    playground: Playground, scripted: Scripted
) -> None:
    playground.open_advanced()
    seed = playground.page.locator("#seed input")
    expect(seed).to_have_value("")
    expect(seed).to_have_attribute("placeholder", "random")
    playground.fill_number("seed", "7")
    playground.press_complete()
    playground.wait_until_done()
    playground.fill_number("seed", "")
    playground.press_complete()
    playground.wait_until_done()
    assert [each["seed"] for each in scripted.client.requests] == [7, None]
