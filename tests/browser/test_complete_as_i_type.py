"""As I type: a pause completes, the next key cancels, and the browser keeps the switch."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted


def test_a_pause_completes_and_what_is_typed_along_asks_nothing(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.middle = "antigravity\n"
    playground.page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    playground.page.keyboard.type("import ")
    expect(playground.ghost).to_have_text("antigravity")
    expect(playground.page.locator(".key-to-ghost")).to_contain_text(" ms from key to suggestion")
    playground.wait_until_idle()
    assert scripted.client.requests[-1]["prefix"] == "import "
    asked = len(scripted.client.requests)
    playground.page.keyboard.type("anti")
    expect(playground.ghost).to_have_text("gravity")
    playground.page.wait_for_timeout(500)  # longer than a pause
    assert len(scripted.client.requests) == asked


def test_a_key_cancels_it(playground: Playground, scripted: Scripted) -> None:
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 500
    playground.page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    playground.page.keyboard.type("x = ")
    expect(playground.ghost).to_contain_text("word")
    playground.page.keyboard.type("1")
    playground.page.wait_for_function("window.playground.ghost().startsWith('word')")
    assert scripted.client.requests[-1]["prefix"] == "x = 1"
    assert scripted.client.ended >= 1
    playground.page.keyboard.press("Escape")
    playground.wait_until_idle()


def test_it_is_off_at_first_and_kept(playground: Playground, scripted: Scripted) -> None:
    switch = playground.page.locator("[data-as-i-type]")
    expect(switch).not_to_be_checked()
    playground.editor("before").click()
    playground.page.keyboard.type("import ")
    playground.page.wait_for_timeout(500)
    assert scripted.client.requests == []
    switch.check()
    playground.page.reload()
    expect(switch).to_be_checked()
    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect(playground.page.locator(".as-i-type")).to_contain_text("입력하는 동안")
    expect(switch).to_be_checked()
