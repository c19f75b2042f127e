"""A program keeps its line ending: shown as a badge, written back, and conversions are announced."""

from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted


def ending(playground: Playground) -> str:
    return playground.page.locator("#ending label.selected").inner_text().strip()


def expect_ending(playground: Playground, name: str) -> None:
    expect(playground.page.locator("#ending label.selected")).to_have_text(name)


def copied(playground: Playground) -> str:
    playground.open_tab("program")
    playground.page.locator("#program [data-copy]").click()
    expect(playground.page.locator("#program [data-copy]")).to_have_text("Copied")
    return str(playground.page.evaluate("navigator.clipboard.readText()"))


def test_a_pasted_crlf_text_is_written_back_with_crlf(
    playground: Playground, scripted: Scripted
) -> None:
    assert ending(playground) == "LF"
    playground.paste("before", "import os\r\nimport sys\r\n")
    expect_ending(playground, "CRLF")
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["prefix"] == "import os\nimport sys\n"
    middle = scripted.client.middle.replace("\n", "\r\n")
    assert copied(playground) == "import os\r\nimport sys\r\n" + middle
    expect(playground.answer).to_have_count(0)


def test_a_download_has_the_same_bytes(playground: Playground) -> None:
    playground.paste("before", "a = 1\r\n")
    expect_ending(playground, "CRLF")
    playground.press_complete()
    playground.wait_until_done()
    with playground.page.expect_download() as download:
        playground.page.locator("#program [data-download]").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"a = 1\r\nsys\r\nimport os\r\n")


def test_mixed_endings_are_converted_only_after_saying_so(playground: Playground) -> None:
    playground.paste("before", "a\r\nb\nc\r\nd\r\n")
    expect(playground.answer).to_contain_text("3 CRLF, 1 LF")
    expect_ending(playground, "CRLF")


def test_pasting_crlf_into_an_lf_program_says_that_it_was_converted(
    playground: Playground,
) -> None:
    playground.write("before", "one\ntwo\n")
    playground.paste("after", "three\r\n")
    expect(playground.answer).to_contain_text("converted to LF")
    assert ending(playground) == "LF"


def test_a_person_may_choose_the_ending(playground: Playground) -> None:
    playground.write("before", "one\n")
    playground.page.locator("#ending label", has_text="CRLF").click()
    playground.press_complete()
    playground.wait_until_done()
    assert copied(playground).startswith("one\r\n")
