"""Count the actions and seconds of four journeys on the real page: `python -m tools.journeys`.

It starts the program with the bundled model, drives its page in Chromium at 1280x800, and prints a line
for each journey, for docs/journeys.md: the actions of a person (a press of a key or a chord, a click, a
paste, a turn of the wheel), and the seconds of the page alone. It writes docs/screenshots/journey-*.png.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser import chromium
from tests.browser.playground import SECONDS, Playground
from tests.server.scripted_page import REAL, serving

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
SIZE = ViewportSize(width=1280, height=800)

HOLE = "\u2610"
FILE = f"""import json
import {HOLE}


class Store:
    def __init__(self, path):
        self.path = path
        self.items = {{}}

    def load(self):
        with open(self.path) as file:
            self.items = json.load(file)

    def save(self):
        with open({HOLE}, "w") as file:
            json.dump(self.items, file)

    def add(self, name, price):
        self.items[name] = price

    def remove(self, name):
        del self.items[{HOLE}]

    def total(self):
        total = 0
        for price in self.items.values():
            {HOLE}
        return total

    def cheapest(self):
        return min(self.items, key=self.items.get)

    def __len__(self):
        return len({HOLE})


def report(store):
    for name, price in store.items.items():
        print(f"{{name}}: {{price}}")
    print(f"total: {{store.total()}}")


def main():
    if len(sys.argv) != 2:
        print("usage: store.py FILE")
        sys.exit(1)
    store = Store(sys.argv[1])
    store.load()
    store.add("tea", 3)
    store.add("milk", 2)
    store.add("bread", 4)
    store.remove("milk")
    print(len(store))
    print(store.cheapest())
    store.save()
    report(store)


if __name__ == "__main__":
    main()
"""
"""A file of 60 lines; each `HOLE` is where something is missing."""

ENDED = "#caption .caption:is(.done, .stopped)"


class Person:
    """Acts on a page, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.actions = page, 0

    def press(self, keys: str) -> None:
        self.actions += 1
        self.page.keyboard.press(keys)

    def click(self, selector: str) -> None:
        self.actions += 1
        self.page.locator(selector).first.click()

    def ctrl_click(self, editor: str, line: int, column: int) -> None:
        """Hold Ctrl and click at a place; the wheel brings it into view, if it is not."""
        if self.page.evaluate(_SCROLL, [editor, line]):
            self.actions += 1
        x, y = self.page.evaluate(_PLACE, [editor, line, column])
        self.actions += 1
        self.page.keyboard.down("Control")
        self.page.mouse.click(x, y)
        self.page.keyboard.up("Control")


_VIEW = "const view = window.playground.editors.view(editor);"
_SCROLL = f"""([editor, line]) => {{
    {_VIEW}
    const at = view.lineBlockAt(view.state.doc.line(line + 1).from);
    const {{ scrollTop, clientHeight }} = view.scrollDOM;
    if (at.top >= scrollTop && at.bottom <= scrollTop + clientHeight) return false;
    view.scrollDOM.scrollTop = at.top - clientHeight / 2;
    return true;
}}"""
_PLACE = f"""async ([editor, line, column]) => {{
    {_VIEW}
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const box = view.coordsAtPos(view.state.doc.line(line + 1).from + column);
    return [box.left, (box.top + box.bottom) / 2];
}}"""


def main() -> None:
    """Take the journeys."""
    if chromium.EXECUTABLE is None:
        sys.exit(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        with serving(module=REAL, CODEGEMMA_UI_MAX_LENGTH="") as served:
            Playground(opened(browser, served.url), f"{served.url}/").wait_until_ready()
            for journey, query in (
                (first_hole, ""),
                (five_holes, "?example="),
                (lesson, "?lesson=4"),
            ):
                print(journey(opened(browser, served.url, query)), flush=True)
        print(restart(browser), flush=True)
        browser.close()


def opened(browser: Browser, url: str, query: str = "") -> Page:
    """Open the page in a browser of its own."""
    page = browser.new_page(viewport=SIZE, locale="en-US")
    page.goto(f"{url}/{query}")
    expect(page.locator("#token-sum .sum")).not_to_be_empty(timeout=30 * SECONDS)
    page.wait_for_selector("#before .cm-content[data-language]")
    return page


def first_hole(page: Page) -> str:
    """Fill the hole of the page as it opens."""
    expect(page.locator("#outcome .notice")).to_contain_text("Recorded")
    shoot(page, "first")
    person = Person(page)
    began_s = time.monotonic()
    person.press("Control+Enter")
    expect(page.locator("#outcome .notice")).to_have_count(0)
    expect(page.locator(ENDED)).to_be_visible()
    took_s = time.monotonic() - began_s
    return f"first filled hole: {person.actions} action, {took_s:.1f} s"


def five_holes(page: Page) -> str:
    """Paste a file, and fill five holes in it, from the top."""
    playground = Playground(page, page.url)
    person = Person(page)
    playground.paste("before", FILE.replace(HOLE, ""))
    person.actions += 2  # a click into the editor, and the paste
    began_s, editor, counts = time.monotonic(), "before", []
    for number in range(FILE.count(HOLE)):
        # Where the text before the hole ends, in the lines of the editor in which it is.
        head = FILE.split(HOLE)[number].rsplit("\n", 1)[-1]
        tail = FILE.split(HOLE)[number + 1].split("\n", 1)[0]
        line = playground.text(editor).split("\n").index(head + tail)
        done = person.actions
        with playground.a_run():
            person.ctrl_click(editor, line, len(head))
        expect(playground.ghost).to_be_visible()
        person.press("Tab")
        expect(playground.ghost).to_have_count(0)
        counts.append(person.actions - done)
        editor = "after"
    took_s = time.monotonic() - began_s
    shoot(page, "five-holes")
    each = ", ".join(map(str, counts))
    lines = FILE.count("\n")
    return f"a file of {lines} lines, five holes: {person.actions} actions ({each}), {took_s:.1f} s"


def lesson(page: Page) -> str:
    """Run the fourth lesson and its variations."""
    ways = page.locator("#lesson .way")
    expect(ways.first).to_be_visible()
    person, began_s = Person(page), time.monotonic()
    tries = ways.count() - 1  # the first is the lesson as given
    for number in range(tries + 1):
        if number:
            person.click(f"#lesson .way >> nth={number}")
            expect(page.locator("#caption .caption.idle")).to_be_visible()
        person.click("#lesson .run")
        expect(page.locator(ENDED)).to_be_visible()
    took_s = time.monotonic() - began_s
    scrolled = page.evaluate("window.scrollY")
    shoot(page, "lesson")
    done = f"{person.actions} actions, scrolled by {scrolled} px"
    return f"a lesson and its {tries} variations: {done}, {took_s:.1f} s"


def restart(browser: Browser) -> str:
    """End the server in the middle of typing, and start it again."""
    with serving(module=REAL) as served:
        page = opened(browser, served.url, "?example=")
        playground = Playground(page, f"{served.url}/")
        playground.wait_until_ready()
        playground.write("before", "before = 1\n")
    began_s = time.monotonic()
    expect(page.locator("#connection strong")).to_be_visible()
    told_s = time.monotonic() - began_s
    playground.write("after", "after = 2\n")
    shoot(page, "lost")
    port = int(served.url.rsplit(":", 1)[1])
    with serving(module=REAL, port=port):
        expect(page.locator("#connection strong")).to_be_hidden(timeout=30 * SECONDS)
        playground.wait_for_text("before", "before = 1\n")
        playground.wait_for_text("after", "after = 2\n")
    return f"a restart while typing: told after {told_s:.1f} s, nothing lost, 0 actions"


def shoot(page: Page, name: str) -> None:
    """Take a picture of the first screen."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.screenshot(path=FOLDER / f"journey-{name}.png")


if __name__ == "__main__":
    main()
