"""Measure the time from a key to ghost text on the real page: `python -m benchmarks.key_to_ghost`.

For each backend it starts the program with the bundled model, opens its page in Chromium, switches *As I
type* on, and types lines of Python, a key each 80 ms, with a rest after each word. The page measures from the
last key to the moment that ghost text is there, its pause of 200 ms included. Printed are the number of
suggestions, the median and the 90th percentile, in milliseconds.

Arguments name backends: `python -m benchmarks.key_to_ghost jax`.
"""

from __future__ import annotations

import re
import statistics
import sys

from playwright.sync_api import Page, sync_playwright

from codegemma_ui.machine import BACKENDS
from tests.browser import chromium
from tests.browser.playground import SECONDS, Playground
from tests.server.scripted_page import REAL, serving

KEY_MS, REST_MS = 80, 1500
TEXT = """import json
import math

def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)

def area(radius):
    return math.pi * radius ** 2
"""


def main() -> None:
    """Measure each backend."""
    if chromium.EXECUTABLE is None:
        sys.exit(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for backend in sys.argv[1:] or BACKENDS:
            with serving("--backend", backend, module=REAL) as served:
                page = browser.new_page(locale="en-US")
                times = sorted(measured(Playground(page, served.url)))
                page.close()
            if not times:
                print(f"{backend}: no suggestion")
                continue
            slow = times[min(len(times) - 1, round(0.9 * len(times)))]
            print(
                f"{backend}: {len(times)} suggestions, median {statistics.median(times):.0f} ms, "
                f"90th percentile {slow} ms",
                flush=True,
            )
        browser.close()


def measured(playground: Playground) -> list[int]:
    """Type, and return the times that the page reports, in milliseconds."""
    playground.goto()
    playground.wait_until_ready()
    page = playground.page
    page.wait_for_timeout(30 * SECONDS)  # what is compiled after the start
    page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    times = []
    for word in re.findall(r"\S+\s*", TEXT):
        page.evaluate("document.querySelector('.key-to-ghost').textContent = ''")
        page.keyboard.type(word, delay=KEY_MS)
        page.wait_for_timeout(REST_MS)
        shown = reported(page)
        if shown is not None:
            times.append(shown)
    return times


def reported(page: Page) -> int | None:
    """Return what the page says of the last suggestion; None without one."""
    found = re.match(r"\d+", page.locator(".key-to-ghost").inner_text())
    return int(found[0]) if found else None


if __name__ == "__main__":
    main()
