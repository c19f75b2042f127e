"""An example fills the editors byte for byte and starts no completion."""

import pytest
from playwright.sync_api import expect

from codegemma_ui.ui.examples import EXAMPLES, Example, by_key
from tests.browser.playground import Playground, Scripted


@pytest.mark.parametrize(
    "example",
    [by_key(key) for key in ("quickstart", "table", "empty_prefix", "empty_suffix")],
    ids=lambda example: example.key,
)
def test_an_example_keeps_every_character(
    example: Example, playground: Playground, scripted: Scripted
) -> None:
    playground.choose("example", example.title("en"))
    playground.wait_for_text("before", example.prefix)
    playground.wait_for_text("after", example.suffix)
    assert playground.text("middle") == ""
    assert scripted.client.requests == []
    playground.press_complete()
    playground.wait_until_done()
    request = scripted.client.requests[-1]
    assert (request["prefix"], request["suffix"]) == (example.prefix, example.suffix)
    expected = example.prefix + scripted.client.middle + example.suffix
    assert playground.pane("program") == expected


def test_a_javascript_example_sets_the_language_of_all_editors(playground: Playground) -> None:
    playground.choose("example", by_key("javascript").title("en"))
    for name in ("before", "after"):
        expect(playground.editor(name)).to_have_attribute("data-language", "javascript")
    assert playground.choice("code_language".replace("_", "-")) == "javascript"
    playground.press_complete()
    playground.wait_until_done()
    expect(playground.editor("middle")).to_have_attribute("data-language", "javascript")


def test_the_same_example_can_be_loaded_again(playground: Playground) -> None:
    title = by_key("quickstart").title("en")
    playground.choose("example", title)
    playground.wait_for_text("before", "import ")
    playground.write("before", "something else")
    playground.choose("example", title)
    playground.wait_for_text("before", "import ")


def test_every_example_is_offered(playground: Playground) -> None:
    playground.page.locator("#example input").click()
    options = playground.page.get_by_role("option").all_inner_texts()
    titles = [option.strip().removeprefix("✓").strip() for option in options]
    assert titles[1:] == [one.title("en") for one in EXAMPLES]
    assert titles[-1] == "JavaScript (a small model fails here)"


def test_codegemmas_answer_can_be_unfolded_while_the_texts_are_the_tutorials(
    playground: Playground,
) -> None:
    playground.choose("example", by_key("table").title("en"))
    contrast = playground.page.locator("#contrast")
    contrast.get_by_text("What CodeGemma 2B answered in Google's tutorial of April 2024").click()
    expect(contrast.locator("pre")).to_have_text(by_key("table").codegemma)
    playground.press_complete()
    playground.wait_until_done()
    expect(contrast.locator("pre")).to_be_visible()
    playground.write("before", "something else")
    expect(contrast).to_be_hidden()


def test_another_language_is_warned_about(playground: Playground) -> None:
    warning = playground.page.locator("#notices").get_by_text("This model knows only Python")
    playground.choose("example", by_key("javascript").title("en"))
    expect(warning).to_be_visible()
    playground.choose("example", by_key("table").title("en"))
    expect(warning).to_have_count(0)
