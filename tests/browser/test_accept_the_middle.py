"""Ghost text: the middle in grey at the cursor, accepted whole, by word, by line, or by typing it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.playground import Playground, Scripted

MIDDLE = "first = 1\nsecond = two\n"


@pytest.fixture
def completed(playground: Playground, scripted: Scripted) -> Playground:
    """A page with a middle that was not accepted yet."""
    scripted.client.middle = MIDDLE
    playground.write("before", "def f():\n    ")
    playground.write("after", "    return first\n")
    playground.press_complete_in("before")
    playground.wait_until_done()
    expect(playground.ghost).to_have_text(MIDDLE, use_inner_text=False)
    playground.page.keyboard.press("ControlOrMeta+End")
    return playground


def press(playground: Playground, key: str) -> str:
    """Press a key and return the text before the cursor."""
    playground.page.keyboard.press(key)
    return playground.text("before")


def test_tab_accepts_all_of_it(completed: Playground) -> None:
    assert press(completed, "Tab") == "def f():\n    " + MIDDLE
    expect(completed.ghost).to_have_count(0)
    assert press(completed, "Tab") == "def f():\n    " + MIDDLE + "    "  # it indents again


def test_it_is_no_part_of_the_document(completed: Playground, scripted: Scripted) -> None:
    assert completed.text("before") == "def f():\n    "
    completed.press_complete()
    completed.wait_until_done()
    assert scripted.client.requests[-1]["prefix"] == "def f():\n    "


def test_a_word_and_a_line(completed: Playground) -> None:
    assert press(completed, "Control+ArrowRight") == "def f():\n    first"
    assert press(completed, "Control+ArrowRight") == "def f():\n    first ="
    assert press(completed, "Control+ArrowDown") == "def f():\n    first = 1\n"
    expect(completed.ghost).to_have_text("second = two")
    assert press(completed, "Control+ArrowDown") == "def f():\n    " + MIDDLE


def test_one_undo_takes_it_back_and_it_is_offered_again(completed: Playground) -> None:
    press(completed, "Tab")
    completed.page.keyboard.type("x")
    press(completed, "ControlOrMeta+z")
    assert press(completed, "ControlOrMeta+z") == "def f():\n    "
    expect(completed.ghost).to_have_count(1)


def test_escape_dismisses_it_and_then_leaves_the_editor(completed: Playground) -> None:
    press(completed, "Escape")
    expect(completed.ghost).to_have_count(0)
    press(completed, "Escape")
    assert press(completed, "Tab") == "def f():\n    "
    expect(completed.editor("before")).not_to_be_focused()


def test_typing_what_it_says_accepts_that_much(completed: Playground) -> None:
    completed.page.keyboard.type("first")
    expect(completed.ghost).to_have_text(" = 1 second = two")
    completed.page.keyboard.type("x")
    expect(completed.ghost).to_have_count(0)
    press(completed, "Backspace")
    assert press(completed, "Tab") == "def f():\n    " + MIDDLE


def test_tab_indents_where_the_caret_is_elsewhere(completed: Playground) -> None:
    press(completed, "ControlOrMeta+Home")
    assert press(completed, "Tab") == "    def f():\n    "


def test_the_buttons_do_the_same(completed: Playground) -> None:
    buttons = completed.page.locator
    buttons('[data-ghost="word"]').click()
    assert completed.text("before") == "def f():\n    first"
    buttons('[data-ghost="line"]').click()
    assert completed.text("before") == "def f():\n    first = 1\n"
    buttons('[data-ghost="all"]').click()
    assert completed.text("before") == "def f():\n    " + MIDDLE
    expect(buttons('[data-ghost="none"]')).to_be_disabled()


def test_it_is_announced_once(completed: Playground) -> None:
    announced = completed.page.locator(".ghost-says")
    expect(announced).to_contain_text("first = 1")
    press(completed, "Escape")
    expect(announced).to_be_empty()


def test_escape_while_it_streams_stops_and_keeps_it(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 500
    playground.write("before", "say = ")
    playground.press_complete()
    expect(playground.ghost).to_contain_text("word word")
    playground.page.keyboard.press("Escape")
    playground.wait_until_idle()
    expect(playground.ghost).to_contain_text("word word")
    playground.page.keyboard.press("Tab")
    assert playground.text("before") == "say = " + playground.text("middle")


def test_another_language_keeps_it(completed: Playground) -> None:
    completed.choose("code-language", "javascript")
    completed.page.wait_for_selector("#before .cm-content[data-language=javascript]")
    expect(completed.ghost).to_have_count(1)
    completed.editor("before").focus()
    assert press(completed, "Tab") == "def f():\n    " + MIDDLE


def test_a_composition_is_not_broken(completed: Playground) -> None:
    session = completed.page.context.new_cdp_session(completed.page)
    for text in ("ㅎ", "하", "한"):
        session.send(
            "Input.imeSetComposition",
            {"text": text, "selectionStart": len(text), "selectionEnd": len(text)},
        )
    session.send("Input.insertText", {"text": "한"})
    completed.wait_for_text("before", "def f():\n    한")
    expect(completed.ghost).to_have_count(0)


def test_text_from_right_to_left_is_split_and_accepted_by_its_order_in_the_file(
    playground: Playground, scripted: Scripted
) -> None:
    before, after = "# שלום עולם\nname = '", "'  # مرحبا\nprint(name)\n"
    scripted.client.middle = "דוד المنزل two"
    playground.write("before", before + after)
    playground.place_caret("before", len(before))
    playground.press_complete_in("before")
    playground.wait_until_done()
    assert (playground.text("before"), playground.text("after")) == (before, after)
    expect(playground.ghost).to_be_visible()
    assert press(playground, "ControlOrMeta+ArrowRight") == before + "דוד"
    assert press(playground, "Tab") == before + scripted.client.middle
    assert playground.pane("program") == before + scripted.client.middle + after


def test_a_finger_accepts_and_dismisses(browser: Browser, scripted: Scripted) -> None:
    """By touch alone, on a phone."""
    scripted.client.middle = MIDDLE
    size = ViewportSize(width=390, height=844)
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True, locale="en-US")
    playground = Playground(context.new_page(), scripted.url).goto()
    playground.editor("before").tap()
    playground.page.keyboard.type("x = ")
    playground.complete_button.tap()
    expect(playground.ghost).to_be_visible()
    playground.page.locator('[data-ghost="line"]').tap()
    playground.wait_for_text("before", "x = first = 1\n")
    playground.page.locator('[data-ghost="none"]').tap()
    expect(playground.ghost).to_have_count(0)
    assert playground.text("before") == "x = first = 1\n"
    context.close()


def test_twenty_accepted_middles_are_in_the_program_byte_for_byte(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "\tstart ")
    playground.write("after", "\n\nend\n")
    expected = "\tstart "
    for number in range(20):
        scripted.client.middle = f"{number} \n\t한 "
        with playground.a_run():
            playground.press_complete_in("before")
        expect(playground.ghost).to_have_count(1)
        playground.page.keyboard.press("ControlOrMeta+End")
        expected += scripted.client.middle
        assert press(playground, "Tab") == expected
    assert playground.pane("program") == expected + "\n\nend\n"


def test_again_asks_for_another_sample_and_back_shows_the_former(
    completed: Playground, scripted: Scripted
) -> None:
    scripted.client.middle = "other = 2\n"
    with completed.a_run():
        completed.page.keyboard.press("Alt+]")
    expect(completed.ghost).to_have_text("other = 2")
    request = scripted.client.requests[-1]
    assert (request["prefix"], request["temperature"]) == ("def f():\n    ", 0.8)
    assert completed.page.locator("#max-length input[type=number]").input_value() == "128"
    completed.page.keyboard.press("Alt+[")
    expect(completed.ghost).to_have_text("first = 1 second = two")
    asked = len(scripted.client.requests)
    completed.page.locator('[data-again="more"]').click()
    expect(completed.ghost).to_have_text("other = 2")
    assert len(scripted.client.requests) == asked
    assert press(completed, "Tab") == "def f():\n    other = 2\n"
