"""Servers and pages for the browser tests.

`scripted` serves the page over a scripted engine: fast, for all tests in which the model does not matter.
`engine_page` opens the page over the real one, which is started once for all tests that need it. The browser
ends with this package: Playwright keeps an event loop running, and other tests start loops of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from codegemma_ui.settings import Settings
from tests.browser import chromium
from tests.browser.playground import SECONDS, OpenPage, Playground, Scripted
from tests.server.scripted_page import Page
from tests.support.scripted_client import ScriptedClient

expect.set_options(timeout=15 * SECONDS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium.EXECUTABLE is None:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def scripted_server() -> Iterator[Scripted]:
    from codegemma_ui.server import serving
    from codegemma_ui.ui import layout

    settings = Settings(port=0, queue_size=3, max_length=128)
    client = ScriptedClient(settings)
    blocks = layout.build(client, settings)  # type: ignore[arg-type]
    yield Scripted(client, serving.start(blocks, client, settings).url)  # type: ignore[arg-type]
    blocks.close(verbose=False)


@pytest.fixture
def scripted(scripted_server: Scripted) -> Scripted:
    scripted_server.client.reset()
    return scripted_server


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages: `open_page(url, query="", locale="en-US", width=1280)`.

    No page may send requests to another host, and none may raise an error in its scripts.
    """
    opened: list[Playground] = []

    def open_one(
        url: str, query: str = "", locale: str = "en-US", width: int = 1280, height: int = 900
    ) -> Playground:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(15 * SECONDS)
        playground = Playground(context.new_page(), url)
        opened.append(playground)
        return playground.goto(query)

    yield open_one
    for playground in opened:
        playground.page.context.close()
        assert playground.strangers == []
        assert playground.trouble == []


@pytest.fixture
def playground(scripted: Scripted, open_page: OpenPage) -> Playground:
    """The page over the scripted engine."""
    return open_page(scripted.url)


@pytest.fixture
def engine_url(engine: Page) -> str:
    """The address of the real program."""
    return engine.url


@pytest.fixture
def engine_page(engine_url: str, open_page: OpenPage) -> Playground:
    """The page over the real engine and the bundled model."""
    return open_page(engine_url)
