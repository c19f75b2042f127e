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
