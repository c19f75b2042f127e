"""Page object of the playground: find, type, press, read; every wait is for a condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from codegemma_ui.ui.strings import TABLE
from tests.support.scripted_client import ScriptedClient

SECONDS = 1000
ENGINE_TIMEOUT = 240 * SECONDS

PANES = ("program", "raw_prompt", "raw_output")
"""What stands in tabs that were there before the views."""

# A run may end before the first check: the page records that its button was disabled and enabled.
_WATCH = """() => {
    const button = document.getElementById("complete");
    let rested = false;
    window.ran = false;
    new MutationObserver(() => {
        if (button.disabled) rested = true;
        else window.ran ||= rested;
    }).observe(button, {attributes: true});
}"""


def _tab_label(name: str) -> re.Pattern[str]:
    """Return the label of a tab, in either language."""
    key = name.replace("-", "_")
    labels = TABLE[key if key in PANES else f"tab_{key}"]
    return re.compile(rf"^\s*({'|'.join(map(re.escape, labels))})\s*$")


class Playground:
    """One open page.

    Attributes:
        page: Playwright's.
        query: of the address that was opened last.
        strangers: URLs on other hosts that the page requested.
        trouble: errors raised by the page's scripts.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.query = ""
        self.strangers: list[str] = []
        self.trouble: list[str] = []
        page.on("request", self._note_stranger)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))

    def _note_stranger(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strangers.append(request.url)

    def goto(self, query: str = "") -> Playground:
        """Go to the page and wait until it is connected."""
        self.query = query
        if "#" not in query and "example=" not in query:
            query += f"{'&' if query else '?'}example="  # with empty editors
        self.page.goto(self.url + query)
        expect(self.status).not_to_be_empty()
        expect(self.token_sum).not_to_be_empty()
        self.page.wait_for_selector("#before .cm-content[data-language]")
        return self

    # Elements

    @property
    def status(self) -> Locator:
        return self.page.locator("#status .status")

    @property
    def token_sum(self) -> Locator:
        return self.page.locator("#token-sum .sum")

    @property
    def caption(self) -> Locator:
        return self.page.locator("#caption .caption")

    @property
    def answer(self) -> Locator:
        return self.page.locator("#answer .notice, #outcome .notice")

    @property
    def complete_button(self) -> Locator:
        return self.page.locator("#complete")

    @property
    def stop_button(self) -> Locator:
        return self.page.locator("#stop")

    def editor(self, name: str) -> Locator:
        """Return the text area of "before", "after" or "middle"."""
        return self.page.locator(f"#{name} .cm-content")

    @property
    def ghost(self) -> Locator:
        """The middle in grey, before it is accepted."""
        return self.page.locator("#before .ghost-text")

    # Reading

    def text(self, name: str) -> str:
        """Return an editor's whole document, including whitespace."""
        found = self.page.evaluate(
            """(name) => {
                const content = document.querySelector(`#${name} .cm-content`);
                const tile = content?.cmTile;
                return tile ? (tile.view ?? tile.root.view).state.doc.toString() : "";
            }""",
            name,
        )
        return str(found)

    def pane(self, name: str) -> str:
        """Return the text of "program", "raw-prompt" or "raw-output", after opening its tab."""
        self.open_tab(name)
        return str(self.page.locator(f"#{name} pre").evaluate("(pre) => pre.textContent"))

    def open_tab(self, name: str) -> None:
        """Show a pane or a view, from the overflow menu if its tab is there."""
        if self.page.locator(f"#{name}").is_visible():
            return
        tab = self.page.locator(f"#panes [role=tablist] #{name}-tab-button")
        if tab.count() == 0 or not tab.is_visible():
            self.page.locator("#panes .overflow-menu > button").click()
            tab = self.page.locator("#panes .overflow-dropdown button", has_text=_tab_label(name))
        tab.click()
        expect(self.page.locator(f"#{name}")).to_be_visible()

    def open_advanced(self) -> None:
        """Open the advanced settings, and wait until they are stable: Gradio creates them on opening, and
        overwrites early input with the initial value.
        """
        self.page.locator("#advanced > button").click()
        self.page.evaluate(
            """() => new Promise((resolve) => {
                let quiet = setTimeout(resolve, 200);
                new MutationObserver(() => {
                    clearTimeout(quiet);
                    quiet = setTimeout(resolve, 200);
                }).observe(document.querySelector("#advanced"), { subtree: true, childList: true });
            })"""
        )

    def wait_for_text(self, name: str, text: str) -> None:
        """Wait until an editor contains exactly this text."""
        self.page.wait_for_function(
            """([name, text]) => {
                const tile = document.querySelector(`#${name} .cm-content`)?.cmTile;
                return tile && (tile.view ?? tile.root.view).state.doc.toString() === text;
            }""",
            arg=[name, text],
        )

    @contextmanager
    def a_run(self, timeout: float = 30 * SECONDS) -> Iterator[None]:
        """Start an operation that keeps the engine busy, and wait until it is over."""
        self.page.evaluate(_WATCH)
        yield
        self.page.wait_for_function("window.ran", timeout=timeout)

    def wait_until_done(self, timeout: float = 20 * SECONDS) -> None:
        """Wait until a completion has succeeded and the page is idle again."""
        expect(self.page.locator("#caption .caption.done")).to_be_visible(timeout=timeout)
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        expect(self.complete_button).to_be_enabled()
        expect(self.stop_button).to_be_disabled()

    def wait_until_ready(self, *facts: str) -> None:
        """Wait until the engine serves, with this text in the status line."""
        expect(self.page.locator("#status .status.ready")).to_be_visible(timeout=ENGINE_TIMEOUT)
        for fact in facts:
            expect(self.status).to_contain_text(fact, timeout=ENGINE_TIMEOUT)

    # Actions

    def write(self, name: str, text: str) -> None:
        """Replace an editor's text by pasting."""
        self.editor(name).click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.press("Delete")
        if text:
            self.paste(name, text)
        self.wait_for_text(name, text)

    def paste(self, name: str, text: str) -> None:
        """Paste, with exactly these bytes in the clipboard."""
        self.editor(name).click()
        self.editor(name).evaluate(
            """(element, text) => {
                const data = new DataTransfer();
                data.setData("text/plain", text);
                element.dispatchEvent(
                    new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
            }""",
            text,
        )

    def place_caret(self, name: str, at: int, selected: int = 0) -> None:
        """Move the caret of an editor to an offset with the arrow keys, and select from there."""
        self.editor(name).focus()
        self.page.keyboard.press("ControlOrMeta+Home")
        for _ in range(at):
            self.page.keyboard.press("ArrowRight")
        for _ in range(selected):
            self.page.keyboard.press("Shift+ArrowRight")

    def fill_number(self, name: str, value: str) -> None:
        """Type into a number field, and leave it."""
        field = self.page.locator(f"#{name} input:not([type=range])")
        expect(field).to_be_visible()
        self.page.wait_for_timeout(100)  # a new control is still being initialized
        field.fill(value)
        field.press("Tab")
        expect(field).to_have_value(value)

    def choose(self, name: str, option: str) -> None:
        """Choose from a dropdown by the visible label."""
        self.page.locator(f"#{name} input").click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def choice(self, name: str) -> str:
        """Return the visible text of a dropdown."""
        return self.page.locator(f"#{name} input").input_value()

    def press_complete(self) -> None:
        self.page.keyboard.press("Control+Enter")

    def press_complete_in(self, name: str) -> None:
        """Press Ctrl+Enter with the focus in an editor, whose caret stays where it was."""
        self.editor(name).focus()
        self.press_complete()


@dataclass(frozen=True)
class Scripted:
    """A served page and the scripted engine behind it."""

    client: ScriptedClient
    url: str


OpenPage = Callable[..., Playground]
"""What a test is given to open pages with: an address, then what `Playground.goto` takes."""
