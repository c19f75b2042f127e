"""The page in English or Korean: by the browser, by the address, by the switch in the header."""

import re

from playwright.sync_api import expect

from tests.browser.playground import OpenPage, Playground, Scripted

HANGUL = re.compile("[가-힣]")


def expect_korean(playground: Playground) -> None:
    expect(playground.complete_button).to_have_text("채우기")
    expect(playground.status).to_contain_text("준비됨")
    expect(playground.page.locator("html")).to_have_attribute("lang", "ko")
    expect(playground.editor("before")).to_have_attribute("aria-label", "커서 앞")


def test_the_browsers_language_decides(scripted: Scripted, open_page: OpenPage) -> None:
    expect_korean(open_page(scripted.url, locale="ko-KR"))


def test_the_address_has_the_last_word(scripted: Scripted, open_page: OpenPage) -> None:
    expect_korean(open_page(scripted.url, "?lang=ko", locale="en-US"))
    english = open_page(scripted.url, "?lang=en", locale="ko-KR")
    expect(english.complete_button).to_have_text("Complete")


def test_switching_keeps_everything_that_was_typed(playground: Playground) -> None:
    playground.write("before", "import ")
    playground.write("after", "\n\nx = 1\n")
    playground.press_complete()
    playground.wait_until_done()
    middle = playground.text("middle")
    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect_korean(playground)
    expect(playground.caption).to_contain_text("멈춘 곳:")
    expect(playground.token_sum).to_contain_text("프롬프트")
    assert playground.text("before") == "import "
    assert playground.text("after") == "\n\nx = 1\n"
    assert playground.text("middle") == middle
    assert "lang=ko" in playground.page.url
    playground.page.reload()
    expect_korean(playground)


def test_nothing_visible_stays_english(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, "?lang=ko")
    expect_korean(playground)
    playground.open_advanced()
    expect(playground.page.locator("#seed")).to_be_visible()
    # The same in every language: models, backends, precisions, settings, keys, code languages, paths, tokens,
    # the escape of a line break.
    same = re.compile(
        r"CodeGemma|FIM|Playground|Bundled|model|not|tensorflow|torch|b?float|int|CPU|M|MB|GB|EN|LF|CRLF|max_length|"
        r"n|Ctrl|Enter|Esc|Tab|Top-[kp]|temperature|PSM|SPM|python|auto|k|src|main|py|file_separator"
    )
    words = re.findall(r"[A-Za-z][A-Za-z_-]*", playground.page.locator("main").inner_text())
    assert [word for word in words if not same.fullmatch(word)] == []
