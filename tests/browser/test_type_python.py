"""Typing Python: Enter and Tab indent by four spaces, and undo reverts it."""

from tests.browser.playground import Playground

FUNCTION = """\
def first(items):
    for item in items:
        return item
    return None
print(first([1]))"""


def test_enter_indents_by_four(playground: Playground) -> None:
    playground.editor("before").click()
    keyboard = playground.page.keyboard
    for line in FUNCTION.splitlines():
        keyboard.type(line.strip())
        keyboard.press("Enter")
    assert playground.text("before").rstrip() == FUNCTION


def test_tab_and_shift_tab_move_by_four(playground: Playground) -> None:
    playground.write("before", "one\ntwo\n")
    keyboard = playground.page.keyboard
    keyboard.press("ControlOrMeta+Home")
    keyboard.press("Tab")
    assert playground.text("before") == "    one\ntwo\n"
    keyboard.press("ControlOrMeta+a")
    keyboard.press("Tab")
    assert playground.text("before") == "        one\n    two\n"
    keyboard.press("Shift+Tab")
    assert playground.text("before") == "    one\ntwo\n"


def test_tab_fills_up_to_the_next_stop_and_backspace_takes_it_back(playground: Playground) -> None:
    playground.editor("before").click()
    keyboard = playground.page.keyboard
    keyboard.type("x =")
    keyboard.press("Tab")
    assert playground.text("before") == "x = "
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Backspace")
    assert playground.text("before") == "x = \n    "


def test_undo_takes_back_an_indentation(playground: Playground) -> None:
    playground.write("before", "value")
    playground.page.keyboard.press("Home")
    playground.page.keyboard.press("Tab")
    assert playground.text("before") == "    value"
    playground.page.keyboard.press("ControlOrMeta+z")
    assert playground.text("before") == "value"


def test_the_server_gets_what_the_keys_made(playground: Playground, scripted) -> None:
    playground.editor("before").click()
    playground.page.keyboard.type("if x:")
    playground.page.keyboard.press("Enter")
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["prefix"] == "if x:\n    "
