"""Notes under the editors about the edges of the hole: found, shown in place, fixed by a click."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.boxes import BOXES
from tests.browser.playground import OpenPage, Playground, Scripted

LIT = "() => [...(CSS.highlights.get('lit-token') ?? [])].map((range) => range.toString())"


def line(playground: Playground, kind: str) -> Locator:
    return playground.page.locator(f"#boundaries li[data-kind={kind}]")


def test_the_first_screen_is_calm_and_a_finding_moves_nothing(playground: Playground) -> None:
    assert playground.page.locator("#boundaries li").count() == 0
    before = playground.page.evaluate(BOXES)
    playground.write("before", "import ")
    playground.write("after", "\nsys.exit(0)")
    space = line(playground, "trailing_space")
    expect(space).to_contain_text("fine")
    expect(space.locator(".fix")).to_have_count(0)
    assert playground.page.evaluate(BOXES) == before
    expect(space.locator(".why")).to_be_hidden()
    space.locator(".ask").click()
    expect(space.locator(".why")).to_contain_text("quickstart")


def test_a_fix_is_exact_waits_for_a_click_and_can_be_undone(playground: Playground) -> None:
    playground.write("before", "x = 한글 + calculate_to")
    playground.write("after", "tal(values)\n")
    inside = line(playground, "inside_name")
    expect(inside).to_contain_text("calculate_total")
    assert playground.text("after") == "tal(values)\n"  # nothing is fixed automatically
    inside.locator(".fix").click()
    playground.wait_for_text("before", "x = 한글 + calculate_total")
    playground.wait_for_text("after", "(values)\n")
    expect(inside).to_have_count(0)
    playground.page.keyboard.press("Control+z")
    playground.wait_for_text("before", "x = 한글 + calculate_to")
    playground.wait_for_text("after", "tal(values)\n")


def test_the_spot_lights_up_in_both_editors_for_mouse_and_keyboard(playground: Playground) -> None:
    playground.write("before", "a = 1\n    😀 = print(total)\n")
    playground.write("after", "print(total)\nb")
    repeated = line(playground, "repeated")
    expect(repeated).to_be_visible()
    repeated.hover()
    assert playground.page.evaluate(LIT) == ["print(total)", "print(total)"]
    playground.editor("before").hover()
    assert playground.page.evaluate(LIT) in ([], ["print"])  # or the X-ray's highlight
    repeated.locator(".fix").focus()
    assert playground.page.evaluate(LIT) == ["print(total)", "print(total)"]
    playground.page.keyboard.press("Enter")
    playground.wait_for_text("after", "b")


def test_what_nobody_sees_is_found_and_made_plain(playground: Playground) -> None:
    playground.paste("before", "if a:\n\u00a0\u00a0\u00a0\u00a0b\u200b = ")
    playground.paste("after", "\n\ufeffprint('👩‍👩‍👧‍👦', \u2581)")
    odd = line(playground, "invisible")
    expect(odd).to_contain_text("6, the first is U+00A0 NO-BREAK SPACE")
    expect(odd.locator(".place")).to_have_text("line 2, column 1")
    odd.locator(".fix").click()
    playground.wait_for_text("before", "if a:\n    b = ")
    playground.wait_for_text("after", "\nprint('👩‍👩‍👧‍👦', \u2581)")
    expect(odd).to_have_count(0)
    expect(line(playground, "blocks")).to_contain_text("KerasHub would read a space")


def test_the_place_takes_the_caret_there(playground: Playground) -> None:
    playground.write("before", "a = 1\nb = '<|fim_middle|>'\n")
    place = line(playground, "control_text").locator(".place")
    expect(place).to_have_text("line 2, column 6")
    assert place.get_attribute("aria-label") == "Go to: Before the cursor, line 2, column 6"
    place.press("Enter")
    playground.page.keyboard.type("X")
    playground.wait_for_text("before", "a = 1\nb = 'X<|fim_middle|>'\n")


def test_the_first_line_stands_for_the_others_until_they_are_asked_for(
    playground: Playground,
) -> None:
    playground.write("before", "if a:\n\tb = '<|fim_middle|>'\n    c = d")
    expect(playground.page.locator("#boundaries li:visible")).to_have_count(1)
    playground.page.locator("#boundaries .more").click()
    shown = playground.page.locator("#boundaries li:visible")
    assert shown.evaluate_all("(all) => all.map((one) => one.dataset.kind)") == [
        "mixed_indentation",
        "control_text",
        "empty_suffix",
    ]
    playground.editor("before").click()
    playground.page.keyboard.press("Control+End")
    playground.page.keyboard.type("1")
    expect(shown).to_have_count(3)  # typing on does not fold them


def test_the_lines_stay_while_the_model_writes_and_follow_what_is_typed(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.pause_s = 0.3
    playground.write("before", "f(na")
    playground.write("after", "me)")
    playground.press_complete()
    expect(playground.stop_button).to_be_enabled()
    expect(line(playground, "inside_name")).to_be_visible()
    playground.editor("before").click()
    playground.page.keyboard.press("Control+End")
    playground.page.keyboard.type(", ")
    expect(line(playground, "inside_name")).to_have_count(0)
    expect(playground.stop_button).to_be_enabled()
    playground.page.keyboard.press("Escape")


def test_a_trimmed_context_offers_the_length_that_holds_it(playground: Playground) -> None:
    playground.write("before", "value = 1\n" * 40)
    cut = line(playground, "trimmed")
    expect(cut).to_contain_text("The model can't see")
    cut.locator(".fix").click()
    expect(cut).to_have_count(0)
    length = int(playground.page.locator("#max-length input[type=number]").input_value())
    assert length > 128
    expect(playground.token_sum).to_contain_text(f"limit {length}")


def test_crlf_is_told_and_fine(playground: Playground) -> None:
    playground.paste("before", "a = 1\r\nb = 2\r\n")
    crlf = line(playground, "crlf")
    playground.page.locator("#boundaries .more").click()
    expect(crlf).to_be_visible()
    assert crlf.locator(".sign").get_attribute("aria-label") == "Fine"


@pytest.mark.parametrize("width", [1280, 390])
def test_korean_and_a_phone(width: int, scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, "?lang=ko", width=width)
    playground.write("before", "import ")
    expect(line(playground, "trailing_space")).to_contain_text("괜찮습니다")
    assert playground.page.evaluate("document.documentElement.scrollWidth") <= width
