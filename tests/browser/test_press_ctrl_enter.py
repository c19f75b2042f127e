"""Ctrl+Enter completes from either editor, with the latest text, and leaves both texts unchanged."""

import pytest

from tests.browser.playground import Playground, Scripted


@pytest.mark.parametrize("editor", ["before", "after"])
def test_ctrl_enter_completes_and_changes_neither_text(
    editor: str, playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "def one():\n    return ")
    playground.write("after", "\n\nprint(one())\n")
    playground.press_complete_in(editor)
    playground.wait_until_done()
    assert playground.text("before") == "def one():\n    return "
    assert playground.text("after") == "\n\nprint(one())\n"
    assert playground.text("middle") == scripted.client.middle
    request = scripted.client.requests[-1]
    assert (request["prefix"], request["suffix"]) == (
        "def one():\n    return ",
        "\n\nprint(one())\n",
    )


def test_the_last_keystroke_before_ctrl_enter_is_sent(
    playground: Playground, scripted: Scripted
) -> None:
    playground.editor("before").click()
    playground.page.keyboard.type("import antigravity, th")
    playground.press_complete()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["prefix"] == "import antigravity, th"


def test_ctrl_enter_while_writing_is_ignored(playground: Playground, scripted: Scripted) -> None:
    scripted.client.pause_s = 2.0
    playground.write("before", "say ")
    for _ in range(3):
        playground.press_complete()
    scripted.client.pause_s = 0.0
    playground.wait_until_done()
    assert len(scripted.client.requests) == 1
