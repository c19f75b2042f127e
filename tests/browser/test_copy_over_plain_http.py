"""Copying on a page served over plain HTTP under a host name, where there is no `navigator.clipboard`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect

from codegemma_ui.settings import Settings
from codegemma_ui.ui.strings import Language, text
from tests.browser import chromium
from tests.browser.playground import SECONDS, Playground, Scripted
from tests.support.scripted_client import ScriptedClient

HOST = "playground.example"
PREFIX = "import os\r\n# 한글 😀 <b>\r\n"


@pytest.fixture(scope="module")
def plain_server() -> Iterator[Scripted]:
    from codegemma_ui.server import serving
    from codegemma_ui.ui import layout

    settings = Settings(port=0, allowed_hosts=(HOST,))
    client = ScriptedClient(settings)
    blocks = layout.build(client, settings)  # type: ignore[arg-type]
    yield Scripted(client, serving.start(blocks, client, settings).url)  # type: ignore[arg-type]
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def named(browser: Browser) -> Iterator[Browser]:
    """Launch a browser that resolves the name to this machine."""
    rule = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
    with browser.browser_type.launch(
        executable_path=chromium.EXECUTABLE, args=[*chromium.ARGUMENTS, rule]
    ) as other:
        yield other


Plain = Callable[..., Playground]


@pytest.fixture(scope="module")
def pages(named: Browser, plain_server: Scripted) -> Iterator[Callable[[Language], Playground]]:
    """Open a page in each language, once, with a completion in view."""
    opened: dict[Language, Playground] = {}
    port = urlsplit(plain_server.url).port

    def page_in(language: Language) -> Playground:
        if language in opened:
            return opened[language]
        context = named.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(15 * SECONDS)
        playground = Playground(context.new_page(), f"http://{HOST}:{port}/")
        opened[language] = playground.goto(f"?lang={language}")
        about = playground.page.evaluate("[isSecureContext, typeof navigator.clipboard]")
        assert about == [False, "undefined"]
        playground.paste("before", PREFIX)
        expect(playground.page.locator("#ending label.selected")).to_have_text("CRLF")
        playground.press_complete()
        playground.wait_until_done()
        return playground

    yield page_in
    for playground in opened.values():
        playground.page.context.close()
        assert (playground.strangers, playground.trouble) == ([], [])


@pytest.fixture
def plain(pages: Callable[[Language], Playground]) -> Iterator[Plain]:
    """Open a page with a completion in view: `plain(language="en", forbid=False)`.

    `forbid` makes its browser refuse to copy.
    """
    used: list[Playground] = []

    def choose(language: Language = "en", *, forbid: bool = False) -> Playground:
        playground = pages(language)
        used.append(playground)
        expect(playground.page.get_by_text(text("copied", language), exact=True)).to_have_count(0)
        if forbid:
            playground.page.evaluate("() => { document.execCommand = () => false; }")
        return playground

    yield choose
    for playground in used:
        playground.page.evaluate("() => { delete document.execCommand; }")


@pytest.fixture
def clipboard(named: Browser, plain_server: Scripted) -> Iterator[Callable[[], str]]:
    """Return the content of the clipboard, read by a loopback page, which has access to it."""
    context = named.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{plain_server.url}robots.txt")
    page.evaluate("navigator.clipboard.writeText('what was there before')")
    yield lambda: str(page.evaluate("navigator.clipboard.readText()"))
    context.close()


def copy_button(playground: Playground, pane: str) -> Locator:
    playground.open_tab(pane)
    return playground.page.locator(f"#{pane} [data-copy]")


def link_button(playground: Playground) -> Locator:
    return playground.page.locator("#take input[readonly] + button")


@contextmanager
def says(button: Locator, said: str) -> Iterator[None]:
    """Wait until the button has shown a text, even if it has changed again since."""
    button.evaluate(
        """(button) => {
            window.said = [];
            const note = () => window.said.push(button.textContent);
            new MutationObserver(note).observe(button, {childList: true});
        }"""
    )
    yield
    button.page.wait_for_function("(said) => window.said.includes(said)", arg=said)


def whole(server: Scripted) -> str:
    middle = server.client.middle.replace("\n", "\r\n")
    return PREFIX + middle


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_pane_is_copied_with_its_line_endings(
    language: Language, plain: Plain, plain_server: Scripted, clipboard: Callable[[], str]
) -> None:
    playground = plain(language)
    button = copy_button(playground, "program")
    with says(button, text("copied", language)):
        button.click()
    assert clipboard() == whole(plain_server)
    expect(playground.page.locator("#program .copy-hint")).to_be_empty()
    expect(button).to_have_text(text("copy", language))
    assert playground.page.locator("textarea.copied-from").count() == 0


@pytest.mark.parametrize("pane", ["raw-prompt", "raw-output"])
def test_it_can_be_pasted(pane: str, plain: Plain) -> None:
    playground = plain()
    shown = playground.pane(pane)
    button = copy_button(playground, pane)
    with says(button, "Copied"):
        button.click()
    playground.write("after", "")
    playground.editor("after").click()
    playground.page.keyboard.press("Control+v")
    playground.wait_for_text("after", shown.replace("\r\n", "\n"))


def test_two_quick_clicks_leave_the_button_as_it_was(plain: Plain) -> None:
    button = copy_button(plain(), "program")
    with says(button, "Copied"):
        button.dblclick()
    expect(button).to_have_text("Copy")


def test_focus_and_selection_are_put_back(plain: Plain) -> None:
    playground = plain()
    page = playground.page
    button = copy_button(playground, "program")
    page.locator("#program .legend li").first.evaluate(
        "({firstChild: node}) => getSelection().setBaseAndExtent(node, 1, node, 3)"
    )
    selected = page.evaluate("String(getSelection())")
    assert len(selected) == 2
    button.focus()
    with says(button, "Copied"):
        page.keyboard.press("Enter")
    expect(button).to_be_focused()
    assert page.evaluate("String(getSelection())") == selected


def test_the_link_and_a_script_are_copied(plain: Plain, clipboard: Callable[[], str]) -> None:
    playground = plain()
    playground.open_tab("take")
    pane = playground.page.locator("#take .script .pane")
    expect(pane).to_be_visible()  # with it the link is drawn again
    field = playground.page.locator("#take input[readonly]")
    expect(field).to_have_value(re.compile("#run=.+"))
    button = link_button(playground)
    with says(button, "Copied"):
        button.click()
    assert clipboard() == field.input_value()
    with says(pane.locator("[data-copy]"), "Copied"):
        pane.locator("[data-copy]").click()
    assert clipboard() == pane.locator("pre").evaluate("(pre) => pre.textContent")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_where_no_way_is_open_the_text_is_selected_and_it_is_said(
    language: Language, plain: Plain, plain_server: Scripted, clipboard: Callable[[], str]
) -> None:
    playground = plain(language, forbid=True)
    button = copy_button(playground, "program")
    button.click()
    hint = playground.page.locator("#program .copy-hint")
    expect(hint).to_have_text(text("copy_by_hand", language, key="Ctrl+C"))
    expect(button).to_have_text(text("copy", language))
    shown = playground.page.locator("#program pre").evaluate("(pre) => pre.textContent")
    assert playground.page.evaluate("String(getSelection())").strip() == shown.strip()
    assert clipboard() == "what was there before"
    with says(button, text("copied", language)):
        playground.page.keyboard.press("Control+c")
    expect(hint).to_be_empty()
    assert clipboard() == whole(plain_server)


def test_another_selection_is_copied_as_it_is(plain: Plain, clipboard: Callable[[], str]) -> None:
    playground = plain(forbid=True)
    copy_button(playground, "program").click()
    hint = playground.page.locator("#program .copy-hint")
    expect(hint).not_to_be_empty()
    playground.editor("before").click()
    playground.page.keyboard.press("Control+Home")
    playground.page.keyboard.press("Shift+End")
    expect(hint).to_be_empty()
    playground.page.keyboard.press("Control+c")
    assert clipboard() == "import os"


def test_the_link_is_selected_too(plain: Plain, clipboard: Callable[[], str]) -> None:
    playground = plain(forbid=True)
    playground.open_tab("take")
    field = playground.page.locator("#take input[readonly]")
    expect(field).to_have_value(re.compile("#run=.+"))
    said = playground.page.locator("#take .row + .hint").first
    size = said.inner_text()
    button = link_button(playground)
    button.click()
    expect(said).to_have_text(text("copy_by_hand", "en", key="Ctrl+C"))
    expect(field).to_be_focused()
    with says(button, "Copied"):
        playground.page.keyboard.press("Control+c")
    expect(said).to_have_text(size)
    assert clipboard() == field.input_value()


def test_a_mac_is_told_its_own_key(plain: Plain) -> None:
    playground = plain(forbid=True)
    playground.page.evaluate("() => { document.documentElement.dataset.keys = 'mac'; }")
    copy_button(playground, "program").click()
    expect(playground.page.locator("#program .copy-hint")).to_contain_text("press \u2318C.")


def test_a_clipboard_that_is_closed_to_the_page_is_got_around(
    plain: Plain, plain_server: Scripted, clipboard: Callable[[], str]
) -> None:
    playground = plain()
    playground.page.evaluate(
        "() => Object.defineProperty(navigator, 'clipboard', {configurable: true, value:"
        " {writeText: () => Promise.reject(new DOMException('denied', 'NotAllowedError'))}})"
    )
    try:
        button = copy_button(playground, "program")
        with says(button, "Copied"):
            button.click()
        assert clipboard() == whole(plain_server)
    finally:
        playground.page.evaluate("() => { delete navigator.clipboard; }")
