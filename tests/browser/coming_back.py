"""Helpers for pages that are loaded again."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.playground import Playground


def wait_until_shown(playground: Playground) -> None:
    """Wait until a reloaded page has restored everything saved by its tab."""
    expect(playground.status).not_to_be_empty()
    playground.page.wait_for_selector('section[data-view="recorded"]', state="attached")


def log_in(page: Page) -> None:
    fields = page.locator("input, textarea")
    fields.nth(0).fill("ann")
    fields.nth(1).fill("hush-hush")
    page.get_by_role("button").last.click()
    page.wait_for_selector("#before .cm-content[data-language]")
