"""max_length follows the text until a person moves it; one line, stop strings, and numbers out of range."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.playground import OpenPage, Playground, Scripted
from tests.server.scripted_page import serving

LINE = "value = 1\n"


def field(playground: Playground) -> Locator:
    return playground.page.locator("#max-length input[type=number]")


def auto(playground: Playground) -> Locator:
    return playground.page.locator("#auto-length input")


def test_it_follows_the_text_and_room_for_128_new_tokens(
    playground: Playground, scripted: Scripted
) -> None:
    auto(playground).check()
    expect(field(playground)).to_have_value("192")
    playground.write("before", LINE * 50)
    expect(playground.token_sum).to_contain_text("(limit 384)")
    expect(field(playground)).to_have_value("384")
    expect(playground.page.locator("#token-sum .trimmed")).to_have_count(0)
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["max_length"] == 384
    playground.write("before", LINE * 200)  # more than the context of 512
    expect(playground.page.locator("#token-sum .trimmed")).to_contain_text("tokens were cut")
    expect(field(playground)).to_have_value("512")


def test_a_press_right_after_the_text_counts_the_new_text(
    playground: Playground, scripted: Scripted
) -> None:
    auto(playground).check()
    expect(field(playground)).to_have_value("192")
    playground.paste("before", LINE * 50)
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["max_length"] == 384


def test_what_a_person_sets_stays(playground: Playground, scripted: Scripted) -> None:
    auto(playground).check()
    expect(field(playground)).to_have_value("192")
    playground.fill_number("max-length", "160")
    expect(auto(playground)).not_to_be_checked()
    playground.write("before", LINE * 50)
    expect(playground.page.locator("#token-sum .trimmed")).to_contain_text("tokens were cut")
    expect(field(playground)).to_have_value("160")
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["max_length"] == 160
    playground.page.reload()
    expect(field(playground)).to_have_value("160")
    expect(auto(playground)).not_to_be_checked()
    auto(playground).check()
    expect(field(playground)).to_have_value("384")
    playground.page.reload()
    expect(field(playground)).to_have_value("384")
    expect(auto(playground)).to_be_checked()


def test_a_lesson_sets_its_own(playground: Playground) -> None:
    auto(playground).check()
    playground.write("before", LINE * 50)
    expect(field(playground)).to_have_value("384")
    playground.open_tab("lessons")
    playground.page.locator("[data-lesson]").first.click()
    expect(auto(playground)).not_to_be_checked()
    expect(field(playground)).to_have_value("128")


def test_it_follows_again_after_a_lesson_and_after_clear(open_page: OpenPage) -> None:
    with serving(CODEGEMMA_UI_MAX_LENGTH="") as served:
        page = open_page(f"{served.url}/", "?lesson=1")
        expect(field(page)).to_have_value("128")
        expect(auto(page)).not_to_be_checked()
        page.page.locator("#lesson .close").click()
        expect(auto(page)).to_be_checked()
        expect(field(page)).to_have_value("192")
        page.fill_number("max-length", "100")
        expect(auto(page)).not_to_be_checked()
        page.page.locator("#clear").click()
        expect(auto(page)).to_be_checked()
        expect(field(page)).to_have_value("192")


@pytest.mark.parametrize(("flag", "length"), [("", "192"), ("256", "256")])
def test_the_operators_flag_fixes_it(open_page: OpenPage, flag: str, length: str) -> None:
    with serving(CODEGEMMA_UI_MAX_LENGTH=flag) as served:
        page = open_page(f"{served.url}/")
        page.wait_until_ready()
        expect(field(page)).to_have_value(length)
        page.write("before", "x = 1\n")
        expect(page.token_sum).to_contain_text(f"(limit {length})")
        expect(auto(page)).to_be_checked(checked=not flag)


def test_one_line_and_stop_strings_are_sent_and_kept(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "import ")
    playground.press_complete()
    playground.wait_until_done()
    sent = scripted.client.requests[-1]
    assert (sent["one_line"], list(sent["stop"])) == (False, [])
    playground.page.locator("#one-line input").check()
    playground.open_advanced()
    playground.page.locator("#stop-strings textarea").fill("\\n\\n\nclass \nC:\\\\")
    with playground.a_run():
        playground.press_complete_in("before")
    sent = scripted.client.requests[-1]
    assert (sent["one_line"], list(sent["stop"])) == (True, ["\n\n", "class ", "C:\\"])
    playground.page.reload()
    expect(playground.page.locator("#one-line input")).to_be_checked()
    with playground.a_run():
        playground.press_complete_in("before")
    assert list(scripted.client.requests[-1]["stop"]) == ["\n\n", "class ", "C:\\"]


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("max-length", "9999", "512"),
        ("max-length", "3", "32"),
        ("max-length", "", "128"),
        ("temperature", "77", "5"),
        ("top-k", "-5", "0"),
        ("top-k", "5000", "1000"),
        ("top-p", "2", "1"),
        ("seed", "-4", "0"),
        ("seed", "99999999999", "4294967295"),
        ("seed", "12.4", "12"),
        ("seed", "seven", ""),
        ("seed", "", ""),
        ("top-k", "1.6", "2"),
    ],
)
def test_a_number_out_of_range_is_set_right(
    playground: Playground, scripted: Scripted, name: str, typed: str, kept: str
) -> None:
    playground.write("before", "say ")
    playground.open_advanced()
    box = playground.page.locator(f"#{name} input:not([type=range]), #{name} textarea").first
    box.click()
    box.fill(typed)
    with playground.a_run():
        playground.press_complete()  # before the field is left
    box.press("Tab")
    expect(box).to_have_value(kept)
    with playground.a_run():
        playground.press_complete_in("before")
    sent = scripted.client.requests[-1][name.replace("-", "_")]
    assert sent == (float(kept) if kept else None)
    expect(playground.answer).to_have_count(0)
    expect(playground.page.locator(".toast-wrap .toast-body")).to_have_count(0)
