"""Make the screenshots of docs/screenshots with one command: `python -m tests.browser.screenshots`.

They show the real page, the real engine and the bundled model, 1280 and 390 pixels wide, light and dark:
idle, streaming, done, in Korean, with an error, and during a download (from a loopback hub that serves the
bundled model under CodeGemma's name). Only the pace of the tokens is slowed, so that a stream can be caught.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from codegemma_ui import presets, server
from codegemma_ui.client import EngineClient
from codegemma_ui.messages import Event
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from codegemma_ui.ui.strings import text
from tests.browser import chromium
from tests.browser.playground import SECONDS, Playground
from tests.hubs import KaggleHub, isolate_this_process

FOLDER = Path(__file__).parent.parent.parent / "docs" / "screenshots"

PAUSE_S = 0.2
DOWNLOAD_BYTES_PER_SECOND = 1_500_000

SIZES = {"wide": (1280, 900), "phone": (390, 844)}


class SlowClient(EngineClient):
    """The real client; its events come one by one, slowly enough to be looked at."""

    async def complete(self, raw: Mapping[str, object]) -> AsyncIterator[Event]:
        async with aclosing(super().complete(raw)) as events:
            async for event in events:
                yield event
                await asyncio.sleep(PAUSE_S)


def main() -> None:
    """Write every screenshot; without Chromium, say what is missing."""
    if chromium.EXECUTABLE is None:
        sys.exit(chromium.MISSING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as playwright,
        KaggleHub(presets.BUNDLED_FOLDER) as hub,
        tempfile.TemporaryDirectory() as home,
        pytest.MonkeyPatch.context() as environment,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium.EXECUTABLE, args=chromium.ARGUMENTS
        )
        isolate_this_process(Path(home), environment, hub)
        settings = Settings(port=0)
        client = SlowClient(settings)
        client.start()
        blocks = layout.build(client, settings)
        url = server.start(blocks, client, settings)
        for size in SIZES:
            for theme in ("light", "dark"):
                _states(browser, hub, url, size, theme)
        browser.close()
        blocks.close(verbose=False)
        client.close()


def _states(browser: Browser, hub: KaggleHub, url: str, size: str, theme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
    playground = Playground(context.new_page(), url)

    def shoot(state: str) -> None:
        path = FOLDER / f"{state}-{size}-{theme}.png"
        playground.page.screenshot(path=path, full_page=True, animations="disabled")
        print(path.relative_to(FOLDER.parent.parent))

    playground.open(f"?__theme={theme}")
    playground.wait_until_ready()
    shoot("idle")

    playground.choose("example", text("example_attribute", "en"))
    expect(playground.editor("before")).to_contain_text("class Timer")
    playground.editor("before").click()
    playground.press_complete()
    expect(playground.caption).to_contain_text("tok")
    playground.page.wait_for_function(
        "() => document.querySelector('#middle .cm-content')?.innerText.trim().length > 6"
    )
    shoot("streaming")
    playground.wait_until_done()
    shoot("done")
    playground.open_tab("raw-prompt")
    shoot("raw-prompt")
    playground.open_tab("program")

    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect(playground.caption).to_contain_text("멈춘 곳")
    expect(playground.status).to_contain_text("준비됨")
    shoot("korean")
    playground.page.locator("#language-choice label", has_text="EN").click()
    expect(playground.status).to_contain_text("ready")

    hub.faults.requires_credentials = True
    playground.choose("model", "CodeGemma 2B")
    expect(playground.page.locator(".notice.error")).to_contain_text("KAGGLE_API_TOKEN")
    shoot("error")

    playground.open(f"?__theme={theme}")
    hub.faults.requires_credentials = False
    hub.faults.bytes_per_second = DOWNLOAD_BYTES_PER_SECOND
    playground.choose("model", "CodeGemma 2B")
    expect(playground.status).to_contain_text(re.compile(r"[2-7]\d%"), timeout=20 * SECONDS)
    shoot("switching")
    playground.page.locator("#cancel-switch").click()
    playground.wait_until_ready()
    hub.faults.bytes_per_second = None
    context.close()


if __name__ == "__main__":
    main()
