"""A notebook shows a program with its middle highlighted, in each theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from codegemma_ui.library import markup
from tests.browser.hostile import HOSTILE

DARK = (
    "data-jp-theme-light=false",
    "class=vscode-dark",
    "theme=dark",
    'style="color-scheme: dark"',
)
LIGHT = ("", "data-jp-theme-light=true", "class=vscode-light", "theme=light")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # The theme is the notebook's, whatever the machine prefers.
    page = browser.new_page(color_scheme="dark")
    yield page
    page.close()


def colours(page: Page, mark: str) -> tuple[str, str]:
    """Return the text and background colours of the middle; every pair must pass axe's contrast check."""
    program = markup.program("import ", "sys", "\n\nsys.exit(0)\n")
    page.set_content(f"<!doctype html><body {mark}>{program}")
    found = Axe().run(page, options={"runOnly": ["color-contrast"]}).response
    assert found["passes"]
    assert not found["violations"]
    style = page.locator("mark").evaluate("mark => getComputedStyle(mark)")
    return style["color"], style["backgroundColor"]


def test_it_follows_the_theme_of_the_notebook(page: Page) -> None:
    light = {colours(page, mark) for mark in LIGHT}
    dark = {colours(page, mark) for mark in DARK}
    assert len(light) == len(dark) == 1
    assert light != dark


def test_markup_in_a_program_stays_text(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.set_content(f"<!doctype html>{markup.program(HOSTILE, HOSTILE, HOSTILE)}")
    assert page.locator("code").text_content() == HOSTILE * 3
    assert page.locator("mark").text_content() == HOSTILE
    assert page.evaluate("window.ran") is None
