"""The caret is the cursor: code on its other side moves to the other editor, and one undo takes that back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from codegemma_ui.ui.strings import text
from tests.browser.playground import Playground, Scripted

PROGRAM = "def one():\n    return \n\n\nprint(one())\n"
AT = PROGRAM.index("\n\n\n")


def sent(scripted: Scripted) -> tuple[str, str]:
    request = scripted.client.requests[-1]
    return request["prefix"], request["suffix"]


def complete(playground: Playground) -> None:
    playground.press_complete()
    playground.wait_until_done()


def test_code_right_of_the_caret_moves_to_the_other_editor(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", PROGRAM)
    playground.place_caret("before", AT)
    complete(playground)
    assert sent(scripted) == (PROGRAM[:AT], PROGRAM[AT:])
    assert (playground.text("before"), playground.text("after")) == sent(scripted)


def test_code_left_of_a_caret_after_the_cursor_moves_to_the_front(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "import os\n")
    playground.write("after", PROGRAM)
    playground.place_caret("after", AT)
    complete(playground)
    assert sent(scripted) == ("import os\n" + PROGRAM[:AT], PROGRAM[AT:])
    assert (playground.text("before"), playground.text("after")) == sent(scripted)


@pytest.mark.parametrize("editor", ["before", "after"])
def test_one_undo_in_either_editor_takes_it_back(
    editor: str, playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", PROGRAM)
    playground.write("after", "# the end\n")
    playground.place_caret("before", AT)
    complete(playground)
    assert sent(scripted) == (PROGRAM[:AT], PROGRAM[AT:] + "# the end\n")
    playground.editor(editor).focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", PROGRAM)
    playground.wait_for_text("after", "# the end\n")
    playground.page.keyboard.press("ControlOrMeta+y")
    playground.wait_for_text("before", PROGRAM[:AT])
    playground.wait_for_text("after", PROGRAM[AT:] + "# the end\n")


def test_undo_takes_the_moved_code_out_of_an_editor_that_has_changed(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", PROGRAM)
    playground.place_caret("before", AT)
    complete(playground)
    playground.place_caret("after", len(PROGRAM) - AT)
    playground.page.keyboard.type("# more")
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", PROGRAM)
    playground.wait_for_text("after", "# more")


def test_the_caret_counts_after_the_focus_has_left(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", PROGRAM)
    playground.place_caret("before", AT)
    playground.complete_button.click()
    playground.wait_until_done()
    assert sent(scripted) == (PROGRAM[:AT], PROGRAM[AT:])


def test_a_caret_that_no_person_has_placed_does_not_count(
    playground: Playground, scripted: Scripted
) -> None:
    playground.choose("example", text("example_table", "en"))
    playground.page.wait_for_function("window.playground.editors.text('after') !== ''")
    texts = playground.text("before"), playground.text("after")
    playground.editor("before").focus()  # its caret stands at the beginning
    complete(playground)
    assert sent(scripted) == texts


def test_a_text_that_undo_brings_back_has_no_caret_that_a_person_placed(
    playground: Playground, scripted: Scripted
) -> None:
    playground.choose("example", text("example_table", "en"))
    playground.page.wait_for_function("window.playground.editors.text('after') !== ''")
    texts = playground.text("before"), playground.text("after")
    playground.page.locator("#clear").click()
    playground.wait_for_text("before", "")
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", texts[0])
    playground.wait_for_text("after", texts[1])
    complete(playground)
    assert sent(scripted) == texts


def test_the_caret_counts_again_after_undo(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", PROGRAM)
    playground.place_caret("before", AT)
    complete(playground)
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", PROGRAM)
    with playground.a_run():
        playground.press_complete()
    assert sent(scripted) == (PROGRAM[:AT], PROGRAM[AT:])
    assert playground.text("before") == PROGRAM[:AT]


def test_a_fix_of_the_boundary_check_places_no_caret(
    playground: Playground, scripted: Scripted
) -> None:
    playground.choose("example", text("example_table", "en"))
    playground.page.wait_for_function("window.playground.editors.text('after') !== ''")
    texts = playground.text("before"), playground.text("after")
    playground.page.evaluate(
        """window.playground.editors.view("before").dispatch(
            {changes: {from: 0, insert: "# a"}, userEvent: "input.fix"})"""
    )
    complete(playground)
    assert sent(scripted) == ("# a" + texts[0], texts[1])


def test_writing_the_code_after_the_cursor_is_no_choice_of_a_place(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "import ")
    playground.editor("after").click()
    playground.page.keyboard.type("print(sys.path)")
    complete(playground)
    assert sent(scripted) == ("import ", "print(sys.path)")


@pytest.mark.parametrize("editor", ["before", "after"])
def test_ctrl_click_completes_where_it_is_clicked(
    editor: str, playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "import os\n")
    playground.write(editor, PROGRAM)
    line = playground.editor(editor).locator(".cm-line").nth(1)
    with playground.a_run():
        line.click(modifiers=["Control"], position={"x": 260, "y": 8})  # behind `return `
    front = "" if editor == "before" else "import os\n"
    assert sent(scripted) == (front + PROGRAM[:AT], PROGRAM[AT:])
    assert (playground.text("before"), playground.text("after")) == sent(scripted)
    expect(playground.ghost).to_be_visible()
    playground.page.keyboard.press("Tab")
    playground.wait_for_text("before", front + PROGRAM[:AT] + scripted.client.middle)


@pytest.mark.parametrize("editor", ["before", "after"])
def test_a_selection_becomes_the_hole_and_the_true_middle(
    editor: str, playground: Playground, scripted: Scripted
) -> None:
    playground.write(editor, "total = sum(values)\nprint(total)\n")
    playground.place_caret(editor, len("total = "), len("sum(values)"))
    complete(playground)
    assert sent(scripted) == ("total = ", "\nprint(total)\n")
    playground.open_tab("race")
    playground.page.locator("#truth-fold > button").click()
    playground.page.wait_for_function(
        "document.querySelector('#truth textarea')?.value === 'sum(values)'"
    )
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text(editor, "total = sum(values)\nprint(total)\n")


@pytest.mark.parametrize(
    "typed", ['"""Doc."""', "print(math.sqrt(", "values = [", "name = {'a", "f(x)", "[]"]
)
def test_brackets_and_quotes_stay_as_typed(typed: str, playground: Playground) -> None:
    playground.editor("before").click()
    playground.page.keyboard.type(typed)
    assert playground.text("before") == typed


def test_a_typed_bracket_is_undone(playground: Playground) -> None:
    playground.write("before", "print")
    playground.page.keyboard.type("(")
    assert playground.text("before") == "print("
    playground.page.keyboard.press("ControlOrMeta+z")
    assert "(" not in playground.text("before")


def test_a_long_file_is_split_exactly(playground: Playground, scripted: Scripted) -> None:
    program = "x = 1\n" * 25_000
    playground.write("before", program)
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+Home")
    playground.page.keyboard.press("End")
    complete(playground)
    assert sent(scripted) == (program[:5], program[5:])


def test_an_example_over_typed_code_is_taken_back_by_one_undo(playground: Playground) -> None:
    playground.write("before", "mine = 1\n")
    playground.write("after", "print(mine)\n")
    playground.choose("example", text("example_table", "en"))
    playground.page.wait_for_function(
        "window.playground.editors.text('before').includes('multiplication')"
    )
    playground.editor("after").focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", "mine = 1\n")
    playground.wait_for_text("after", "print(mine)\n")


def test_clear_is_taken_back_by_one_undo(playground: Playground) -> None:
    playground.write("before", "mine = 1\n")
    playground.write("after", "print(mine)\n")
    playground.page.locator("#clear").click()
    playground.wait_for_text("before", "")
    playground.wait_for_text("after", "")
    playground.editor("before").focus()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.wait_for_text("before", "mine = 1\n")
    playground.wait_for_text("after", "print(mine)\n")
