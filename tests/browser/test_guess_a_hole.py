"""The quiz: hide a part of a program, guess it, and compare the guess with the model's middle and the
original."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from codegemma_ui.errors import NotReady
from codegemma_ui.ipc.messages import parse_request
from codegemma_ui.ui.lessons import PROGRAMS
from tests.browser.playground import OpenPage, Playground, Scripted

PROGRAM = "def double(n):\n    return 2 * n\n\n\nprint(double(4))\n"
TRUTH = "return 2 * n"
BEFORE, AFTER = PROGRAM.split(TRUTH)


def row(playground: Playground, who: str) -> Locator:
    return playground.page.locator(f"#quiz tr[data-who={who}]")


def hide_second_line(playground: Playground) -> None:
    playground.editor("before").click()
    playground.page.keyboard.press("Control+Home")
    playground.page.keyboard.press("ArrowDown")
    playground.page.keyboard.press("Shift+ArrowDown")
    playground.open_tab("lessons")
    playground.page.locator("#quiz .punch").click()


def start(playground: Playground) -> None:
    playground.write("before", PROGRAM)
    hide_second_line(playground)
    expect(playground.page.locator("#quiz-guess")).to_be_focused()


def test_the_selection_becomes_the_hole_and_goes_back(playground: Playground) -> None:
    start(playground)
    playground.wait_for_text("before", BEFORE)
    playground.wait_for_text("after", AFTER)
    assert TRUTH not in playground.page.locator("#quiz").inner_text()
    playground.page.locator("#quiz .put-back").click()
    playground.wait_for_text("before", PROGRAM)
    playground.wait_for_text("after", "")


def test_the_quiz_shows_the_program_with_its_hole_and_scrolls_nothing_away(
    playground: Playground,
) -> None:
    playground.open_tab("lessons")
    playground.page.locator("#quiz .load").click()
    shown = playground.page.locator("#quiz-program")
    expect(shown).to_have_value(PROGRAMS[0])
    playground.wait_for_text("before", PROGRAMS[0])
    start, truth = PROGRAMS[0].index("best = numbers[0]"), "best = numbers[0]"
    shown.evaluate(
        "(field, [from, to]) => { field.focus(); field.setSelectionRange(from, to); }",
        [start - 4, start + len(truth) + 1],  # with the blanks around it
    )
    playground.page.locator("#quiz .punch").click()
    before, after = PROGRAMS[0].split(truth)
    playground.wait_for_text("before", before)
    playground.wait_for_text("after", after)
    holed = playground.page.locator("#quiz .holed")
    expect(holed).to_be_in_viewport()
    expect(playground.page.locator("#quiz .gap")).to_be_in_viewport()
    expect(playground.page.locator("#quiz-guess")).to_be_in_viewport()
    assert holed.evaluate("(pre) => pre.textContent") == f"{before}?{after}"
    playground.page.keyboard.type("best = 0")
    assert holed.evaluate("(pre) => pre.textContent") == f"{before}best = 0{after}"


def test_a_hole_in_the_second_editor_keeps_the_first(playground: Playground) -> None:
    playground.write("before", "import os\n")
    playground.write("after", "a = 1\nb = 2\n")
    playground.editor("after").click()
    playground.page.keyboard.press("Control+Home")
    playground.page.keyboard.press("Shift+ArrowDown")
    playground.open_tab("lessons")
    playground.page.locator("#quiz .punch").click()
    playground.wait_for_text("before", "import os\n")
    playground.wait_for_text("after", "\nb = 2\n")


def test_nothing_selected_is_said(playground: Playground) -> None:
    playground.write("before", PROGRAM)
    playground.open_tab("lessons")
    playground.page.locator("#quiz .punch").click()
    expect(playground.page.locator("#quiz .said")).to_contain_text("Nothing is selected")


def test_a_guess_is_compared_by_match_parse_and_likelihood(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.middle = "return ("
    start(playground)
    playground.page.keyboard.type("return 2 * n ")
    playground.page.keyboard.press("Control+Enter")
    expect(row(playground, "truth")).to_be_visible()
    expect(row(playground, "you")).to_contain_text("✓ same")
    expect(row(playground, "you")).to_contain_text("✓ Python")
    expect(row(playground, "model")).to_contain_text("✗ different")
    expect(row(playground, "model")).to_contain_text("✗ syntax error")
    expect(playground.page.locator("#quiz .verdict")).to_contain_text("You found it")
    playground.wait_for_text("middle", "return (")  # the page still shows the same completion

    fill, guess, truth = scripted.client.requests
    assert (fill["prefix"], fill["suffix"]) == (BEFORE, AFTER)
    vocabulary = scripted.client.vocabulary()
    for asked, text in ((guess, f"{TRUTH} "), (truth, TRUTH)):
        request = parse_request(asked, 512)
        assert request.score
        assert vocabulary.decode(request.forced[:-1]) == text  # type: ignore[arg-type]
        assert request.forced[-1] in vocabulary.stop_ids


def test_only_python_is_parsed_and_that_is_said(playground: Playground) -> None:
    playground.choose("code-language", "javascript")
    start(playground)
    playground.page.locator("#quiz .compare").click()
    expect(row(playground, "you")).to_contain_text("not parsed")
    expect(playground.page.locator("#quiz .hint")).to_contain_text("Only Python is parsed")


def test_a_program_that_has_changed_is_not_compared(
    playground: Playground, scripted: Scripted
) -> None:
    start(playground)
    playground.write("after", "something else")
    playground.page.locator("#quiz .compare").click()
    expect(playground.page.locator("#quiz .said")).to_contain_text("changed")
    assert scripted.client.requests == []


def test_what_fails_is_told_and_can_be_tried_again(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.failure = NotReady("No model.", "Wait.")
    start(playground)
    playground.page.locator("#quiz-guess").fill("pass")
    playground.page.locator("#quiz .compare").click()
    expect(playground.page.locator("#quiz .said")).to_contain_text("did not finish")
    expect(playground.answer).to_contain_text("No model.")
    scripted.client.failure = None
    playground.page.locator("#quiz .compare").click()
    expect(row(playground, "you")).to_contain_text("pass")


def test_a_program_to_try_is_a_click_away_and_the_quiz_speaks_korean(
    scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, "?lang=ko", width=390, height=844)
    playground.open_tab("lessons")
    playground.page.locator("#quiz .load").click()
    expect(playground.editor("before")).to_contain_text("def ")
    playground.editor("before").click()
    playground.page.keyboard.press("Control+Home")
    playground.page.keyboard.press("Shift+ArrowDown")
    playground.page.locator("#quiz .punch").click()
    playground.page.locator("#quiz .compare").click()
    expect(row(playground, "model")).to_be_visible()
    assert playground.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_scoring_is_told_apart_from_filling_in(playground: Playground, scripted: Scripted) -> None:
    start(playground)
    scripted.client.middle = TRUTH
    scripted.client.pause_s = 0.15
    playground.page.locator("#quiz .compare").click()
    said = playground.page.locator("#quiz .said")
    expect(said).to_have_text("The model is filling in…")
    expect(said).to_have_text("Scoring the answers…")
    expect(row(playground, "truth")).to_be_visible()
