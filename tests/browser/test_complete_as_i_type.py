"""As I type: a pause completes, the next key cancels, and the browser keeps the switch."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.playground import OpenPage, Playground, Scripted


def test_a_pause_completes_and_what_is_typed_along_asks_nothing(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.middle = "antigravity\n"
    playground.page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    playground.page.keyboard.type("import ")
    expect(playground.ghost).to_have_text("antigravity")
    told = playground.page.locator(".key-to-ghost")
    expect(told).to_have_text(re.compile(r"^\d+ ms$"))
    expect(told).to_have_attribute("title", "from key to suggestion")
    playground.wait_until_idle()
    assert scripted.client.requests[-1]["prefix"] == "import "
    assert scripted.client.requests[-1]["layout"] == "spm"  # what was read before is reused
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


def test_it_gives_way_to_someone_who_presses(
    playground: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    other = open_page(scripted.url)
    other.write("before", "pressed = ")
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 500
    playground.page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    playground.page.keyboard.type("typed = ")
    expect(playground.ghost).to_contain_text("word")
    scripted.client.middle = "done\n"
    other.press_complete_in("before")
    expect(playground.caption).to_contain_text("somebody pressed Complete")
    other.wait_until_done()
    assert scripted.client.requests[-1]["layout"] == "psm"
    assert other.text("middle") == "done\n"
    playground.wait_until_idle()


def test_what_someone_pressed_goes_on(
    playground: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    other = open_page(scripted.url)
    other.write("before", "pressed = ")
    scripted.client.pause_s = 0.05
    scripted.client.middle = "word " * 40
    other.press_complete_in("before")
    expect(other.ghost).to_contain_text("word")
    playground.page.locator("[data-as-i-type]").check()
    playground.editor("before").click()
    playground.page.keyboard.type("typed = ")
    other.wait_until_done()
    assert other.text("middle") == "word " * 40
    playground.wait_until_done()


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
