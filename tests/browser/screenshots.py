"""Make the screenshots of docs/screenshots with one command: `python -m tests.browser.screenshots`.

They show the page over the scripted engine, so that they are the same on every machine: 1280 and 390
pixels wide, light and dark, idle, streaming, done, in Korean, with an error, and during a switch.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from codegemma_ui import server
from codegemma_ui.errors import WorkerDied
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout
from codegemma_ui.ui.strings import text
from tests.browser import chromium
from tests.browser.playground import Playground
from tests.browser.scripted_client import ScriptedClient

FOLDER = Path(__file__).parent.parent.parent / "docs" / "screenshots"

BODY = """    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
"""

SIZES = {"wide": (1280, 900), "phone": (390, 844)}


def main() -> None:
    """Write every screenshot; without Chromium, say what is missing."""
    if chromium.EXECUTABLE is None:
        sys.exit(chromium.MISSING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    settings = Settings(port=0)
    client = ScriptedClient(settings)
    blocks = layout.build(client, settings)  # type: ignore[arg-type]
    url = server.start(blocks, settings)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.EXECUTABLE, args=chromium.ARGUMENTS
        )
        for size in SIZES:
            for theme in ("light", "dark"):
                _states(browser, client, url, size, theme)
        browser.close()
    blocks.close(verbose=False)


def _states(browser: Browser, client: ScriptedClient, url: str, size: str, theme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
    playground = Playground(context.new_page(), url)

    def shoot(state: str) -> None:
        path = FOLDER / f"{state}-{size}-{theme}.png"
        playground.page.screenshot(path=path, full_page=True, animations="disabled")
        print(path.relative_to(FOLDER.parent.parent))

    client.reset()
    client.middle, client.pause_s = BODY, 0.06
    playground.open(f"?__theme={theme}")
    shoot("idle")

    playground.choose("example", text("example_body", "en"))
    expect(playground.editor("before")).to_contain_text("count_words")
    playground.editor("before").click()
    playground.press_complete()
    expect(playground.editor("middle")).to_contain_text("for word in")
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

    client.pause_s = 0.001
    client.failure = WorkerDied(
        "The model's process ended unexpectedly (exit code 1).",
        "It is being started again; try once more in a moment.",
    )
    playground.press_complete()
    expect(playground.answer).to_be_visible()
    playground.wait_until_idle()
    shoot("error")

    playground.open(f"?__theme={theme}")
    playground.choose("model", "CodeGemma 2B")
    client.be(state="downloading", phase="downloading", progress=0.37)
    expect(playground.status).to_contain_text("37%")
    shoot("switching")
    context.close()


if __name__ == "__main__":
    main()
