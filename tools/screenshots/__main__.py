"""Make the screenshots of docs/screenshots with one command: `python -m tools.screenshots`.

They show the real page, the real engine and the bundled model, 1280 and 390 pixels wide, light and dark:
idle, streaming, done, in Korean, with an error, and during a download (from a loopback hub that serves the
bundled model under CodeGemma's name); then the lessons and every view. Only the first tokens are slowed down,
so that a stream can be captured.

Arguments name states, and only those are captured: `python -m tools.screenshots xray race`.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from codegemma_ui import presets
from codegemma_ui.client.client import EngineClient
from codegemma_ui.server import serving
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from codegemma_ui.ui.lessons import PROGRAMS
from codegemma_ui.ui.strings import text
from tests.browser import chromium, comparisons
from tests.browser.playground import SECONDS, Playground
from tests.support.hubs import KaggleHub, isolate_this_process

FOLDER = Path(__file__).parent.parent.parent / "docs" / "screenshots"

PAUSE_S, SHORT_PAUSE_S = 0.2, 0.03
DOWNLOAD_BYTES_PER_SECOND = 1_500_000

SIZES = {"wide": (1280, 900), "phone": (390, 844)}

UNROLLED = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
        #models { height: auto !important; }
        #panes { flex: none !important; }
        #panes > .tabitem { flex: none !important; overflow: visible !important; }
        #panes > .tabitem { container-type: normal !important; }
        .pane { min-height: 252px !important; }
    `);
    document.adoptedStyleSheets.push(sheet);
}"""
"""Shows each view at its full height, as by scrolling in it."""

Shoot = Callable[..., None]
"""Takes a state's name, and the elements that bound the captured part of the page; without any, all of it."""


class SlowClient(EngineClient):
    """The real client, with events slowed down by `pause_s`."""

    pause_s = 0.0

    def _on_events(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            time.sleep(self.pause_s)
            super()._on_events([message])


def main() -> None:
    """Write every screenshot; without Chromium, report what is missing."""
    if chromium.EXECUTABLE is None:
        sys.exit(chromium.MISSING)
    expect.set_options(timeout=30 * SECONDS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as playwright,
        KaggleHub(presets.BUNDLED_FOLDER) as hub,
        tempfile.TemporaryDirectory() as home,
        pytest.MonkeyPatch.context() as environment,
    ):
        browser = chromium.launch(playwright)
        isolate_this_process(Path(home), environment, hub)
        settings = Settings(port=0)
        client = SlowClient(settings)
        client.start()
        blocks = layout.build(client, settings)
        url = serving.start(blocks, client, settings).url
        for size in SIZES:
            for theme in ("light", "dark"):
                with _opened(browser, url, size, theme) as (playground, shoot):
                    client.pause_s = PAUSE_S
                    _states(playground, shoot, hub)
                client.pause_s = SHORT_PAUSE_S
                with _opened(browser, url, size, theme) as (playground, shoot):
                    _views(playground, shoot)
        browser.close()
        blocks.close(verbose=False)
        client.close()


@contextmanager
def _opened(
    browser: Browser, url: str, size: str, theme: str
) -> Iterator[tuple[Playground, Shoot]]:
    """Provide a new page, and a function that captures it."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
    playground = Playground(context.new_page(), url)

    def shoot(state: str, *only: str) -> None:
        if sys.argv[1:] and state not in sys.argv[1:]:
            return
        path = FOLDER / f"{state}-{size}-{theme}.png"
        page = playground.page
        shown = (
            _around(page, only) if only else page.screenshot(full_page=True, animations="disabled")
        )
        # 256 colours take a third of the bytes, without a visible difference.
        Image.open(io.BytesIO(shown)).convert("RGB").quantize(256).save(path, optimize=True)
        print(path.relative_to(FOLDER.parent.parent), flush=True)

    playground.goto(f"?__theme={theme}")
    playground.wait_until_ready()
    yield playground, shoot
    context.close()


def _around(page: Page, places: tuple[str, ...]) -> bytes:
    """Capture the part of a page from the first of these elements to the last."""
    found = [page.locator(place).bounding_box() for place in places]
    boxes = [box for box in found if box is not None]
    assert len(boxes) == len(places), places
    assert page.viewport_size is not None
    left = max(0, min(box["x"] for box in boxes) - 12)
    right = min(page.viewport_size["width"], max(box["x"] + box["width"] for box in boxes) + 12)
    scrolled = page.evaluate("scrollY")
    top = min(box["y"] for box in boxes) + scrolled - 12
    bottom = max(box["y"] + box["height"] for box in boxes) + scrolled + 12
    return page.screenshot(
        clip={"x": left, "y": top, "width": right - left, "height": bottom - top},
        full_page=True,
        animations="disabled",
    )


def _states(playground: Playground, shoot: Shoot, hub: KaggleHub) -> None:
    shoot("idle")

    playground.choose("example", text("example_attribute", "en"))
    expect(playground.editor("before")).to_contain_text("class Timer")
    playground.press_complete_in("before")
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

    playground.goto(playground.query)
    hub.faults.requires_credentials = False
    hub.faults.bytes_per_second = DOWNLOAD_BYTES_PER_SECOND
    playground.choose("model", "CodeGemma 2B")
    expect(playground.status).to_contain_text(re.compile(r"[2-7]\d%"), timeout=20 * SECONDS)
    shoot("switching")
    playground.page.locator("#cancel-switch").click()
    playground.wait_until_ready()
    hub.faults.bytes_per_second = None


def _views(playground: Playground, shoot: Shoot) -> None:
    page = playground.page
    page.evaluate(UNROLLED)

    def lesson(key: str, way: str | None = None) -> None:
        playground.open_tab("lessons")
        page.locator(f"button[data-lesson={key}]").click()
        expect(page.locator("#lesson h2")).to_be_focused()
        if way:
            page.get_by_role("button", name=text(f"lesson_{key}_{way}", "en")).click()
            expect(page.locator("#lesson [aria-pressed=true]")).to_have_count(1)

    def complete() -> None:
        with playground.a_run():
            page.locator("#complete").click()
        playground.wait_until_done()

    lesson("fim")
    shoot("lesson", "#lesson", "#boundaries")
    complete()
    playground.open_tab("program")
    shoot("lesson-fim")
    lesson("anatomy")
    playground.open_tab("xray")
    page.locator("#xray .cell", has_text="main").first.focus()
    shoot("xray", "#panes")

    lesson("suffix")
    complete()
    playground.open_tab("tokens")
    page.locator("#tokens .cell").first.click()
    shoot("tokens", "#panes")
    with playground.a_run():
        page.locator("#tokens .others button:not(:disabled)").nth(1).click()
    expect(page.locator("#tokens .branches li")).to_have_count(2)
    shoot("branches", "#panes")
    playground.open_tab("race")
    page.locator("#truth-fold > button").click()
    page.locator("#truth textarea").fill("math")
    comparisons.race(playground)
    shoot("race", "#panes")

    complete()
    playground.open_tab("suffix")
    comparisons.score(playground)
    shoot("suffix", "#panes")

    lesson("boundaries", "inside")
    expect(page.locator("#boundaries .fix")).to_be_visible()
    shoot("boundaries", "#lesson", "#boundaries")
    lesson("stopping")
    complete()
    playground.open_tab("tokens")
    with playground.a_run():
        page.locator("#tokens .go-on").click()
    expect(page.locator("#tokens .branches li")).to_have_count(2)
    shoot("stopping", "#panes")
    lesson("files")
    complete()
    playground.open_tab("raw-prompt")
    shoot("files", "#panes")

    playground.open_tab("lessons")
    page.locator("#quiz .load").click()
    playground.wait_for_text("before", PROGRAMS[0])
    playground.editor("before").click()
    page.keyboard.press("Control+Home")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.locator("#quiz .punch").click()
    page.locator("#quiz textarea").fill("return None")
    page.locator("#quiz .compare").click()
    expect(page.locator("#quiz tr[data-who=truth]")).to_be_visible(timeout=60 * SECONDS)
    playground.wait_until_idle()
    shoot("quiz", "#panes")
    playground.open_tab("take")
    expect(page.locator("#take .choice").first).to_be_visible()
    shoot("take", "#panes")


if __name__ == "__main__":
    main()
