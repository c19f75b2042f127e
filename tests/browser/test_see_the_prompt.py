"""Prompt X-ray: tokens and roles during typing; a token highlights its characters, and vice versa."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.playground import OpenPage, Playground, Scripted

PREFIX = "import os\nname = '😀'\nprint("
SUFFIX = ")\n"


@pytest.fixture
def playground(scripted: Scripted, open_page: OpenPage) -> Playground:
    playground = open_page(scripted.url)
    playground.write("before", PREFIX)
    playground.write("after", SUFFIX)
    playground.open_tab("xray")
    expect(cells(playground).first).to_be_visible()
    return playground


def cells(playground: Playground):
    return playground.page.locator("#xray .cell")


def lit_text(playground: Playground) -> str:
    return playground.page.evaluate(
        """() => [...(CSS.highlights.get("lit-token") ?? [])].map((range) => range.toString()).join("|")"""
    )


def test_each_token_is_a_cell_with_its_number_and_role(
    playground: Playground, scripted: Scripted
) -> None:
    prompt = scripted.client.vocabulary().prompt(PREFIX, SUFFIX, 128)
    expect(cells(playground)).to_have_count(len(prompt.tokens))
    numbers = cells(playground).locator("small").all_text_contents()
    assert [int(number) for number in numbers] == list(prompt.token_ids)
    runs = playground.page.locator("#xray .run-name").evaluate_all(
        "(names) => names.map((name) => name.dataset.role)"
    )
    assert runs == ["bos", "control", "prefix", "control", "suffix", "control"]
    legend = playground.page.locator("#xray .legend")
    expect(legend).to_contain_text("max_length 128")
    expect(legend).to_contain_text("control 3")


def test_it_follows_the_typing(playground: Playground) -> None:
    before = cells(playground).count()
    playground.editor("before").click()
    playground.page.keyboard.press("Control+End")
    playground.page.keyboard.type("value")
    expect(cells(playground)).not_to_have_count(before)
    expect(playground.page.locator("#xray .cell.prefix").last).to_contain_text("value")


def test_hovering_a_token_lights_up_its_characters(playground: Playground) -> None:
    for shown, text in (("import", "import"), ("␣os", " os")):
        cells(playground).filter(has_text=shown).first.hover()
        playground.page.wait_for_function(
            """(text) => [...(CSS.highlights.get("lit-token") ?? [])].some((one) => `${one}` === text)""",
            arg=text,
        )
    expect(playground.page.locator("#xray .told")).to_contain_text("line 1, column 7")


def test_the_keyboard_walks_from_token_to_token(playground: Playground) -> None:
    cells(playground).first.focus()
    for _ in range(2):
        playground.page.keyboard.press("ArrowRight")
    assert lit_text(playground) == "import"
    playground.page.keyboard.press("End")
    expect(playground.page.locator("#xray .told")).to_contain_text("<|fim_middle|>")
    assert lit_text(playground) == ""


def test_the_caret_in_an_editor_lights_up_its_token(playground: Playground) -> None:
    playground.editor("before").click()
    playground.page.keyboard.press("Control+Home")
    expect(playground.page.locator("#xray .cell.lit")).to_contain_text("import")
    playground.page.keyboard.press("ArrowDown")
    expect(playground.page.locator("#xray .cell.lit")).to_contain_text("name")


def test_what_was_cut_is_struck_through(playground: Playground) -> None:
    playground.write("before", "x = 1\n" * 300)
    expect(playground.page.locator("#xray .legend s")).to_contain_text("cut off")


WORK = """
async () => {
  const box = document.querySelector("#xray .cells");
  const cells = [...box.querySelectorAll(".cell")];
  const frame = () => new Promise(requestAnimationFrame);
  const work = [];
  const observer = new MutationObserver((records) => work.push(...records));
  observer.observe(document.getElementById("xray"), {
    attributes: true, childList: true, characterData: true, subtree: true });
  let drawn = 0;
  for (let step = 0; step < 90; step++) {
    box.scrollTop = (step * box.scrollHeight) / 90;
    await frame();
    await frame(); // what came into view is known a frame later
    const visible = cells.filter((cell) => cell.checkVisibility({ contentVisibilityAuto: true }));
    drawn = Math.max(drawn, visible.length);
    const seen = box.getBoundingClientRect();
    const under = document.elementFromPoint(seen.left + 60, seen.top + seen.height / 2);
    const cell = under?.closest(".cell") ?? visible[0];
    cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  }
  await frame();
  return { cells: cells.length, drawn, changes: work.length / 90 };
}
"""


def test_two_thousand_tokens_are_scrolled_and_lit_up_with_little_work(
    scripted: Scripted, open_page: OpenPage
) -> None:
    scripted.client.be(context_length=8192)
    playground = open_page(scripted.url)
    slider = playground.page.locator("#max-length input[type=number]")
    slider.fill("2100")
    slider.press("Enter")
    playground.write("before", "".join(f"value_{number} = {number}\n" for number in range(400)))
    playground.open_tab("xray")
    playground.page.wait_for_function(
        "document.querySelectorAll('#xray .cell').length > 2000", timeout=20_000
    )
    work = playground.page.evaluate(WORK)
    print(f"\nof {work['cells']} cells {work['drawn']} drawn, {work['changes']:.1f} changes a step")
    assert work["drawn"] < work["cells"] / 2, "lines out of view are not drawn"
    assert work["changes"] < 20, "the cells that are lit change, and what is said of them"
