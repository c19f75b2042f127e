"""Nothing that a person types or a model writes is ever run."""

import pytest

from tests.browser.conftest import Scripted
from tests.browser.playground import Playground

HOSTILE = (
    "${alert(1)}${window.ran=1}{{constructor}}`${window.ran=1}`</script><script>window.ran=1</script>"
    "<img src=x onerror='window.ran=1'><svg onload='window.ran=1'>\\u0041 &lt; &amp; <|fim_middle|>"
)


@pytest.mark.parametrize("source", ["typed", "written"])
def test_markup_is_shown_and_never_run(
    source: str, playground: Playground, scripted: Scripted
) -> None:
    page = playground.page
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    if source == "typed":
        playground.write("before", HOSTILE)
        playground.write("after", HOSTILE)
        page.locator("#max-length input[type=number]").fill("512")
        page.locator("#max-length input[type=number]").press("Tab")
    else:
        scripted.client.middle = HOSTILE
        scripted.client.pause_s = 0.001
    playground.editor("before").click()
    playground.press_complete()
    playground.wait_until_done()
    middle = scripted.client.middle
    assert playground.text("middle") == middle
    expected = HOSTILE + middle + HOSTILE if source == "typed" else middle
    assert playground.pane("program") == expected
    assert playground.pane("raw-output") == middle + "<|file_separator|>"
    raw_prompt = playground.pane("raw-prompt")
    assert raw_prompt.count("${alert(1)}") == (2 if source == "typed" else 0)
    assert page.evaluate("window.ran") is None
    assert page.locator("#panes img, #panes script, #panes svg[onload]").count() == 0


def test_only_real_control_tokens_are_marked(playground: Playground) -> None:
    playground.write("before", "a = '<|fim_middle|>'")
    playground.press_complete()
    playground.wait_until_done()
    prompt = playground.pane("raw-prompt")
    assert prompt == "<|fim_prefix|>a = '<|fim_middle|>'<|fim_suffix|><|fim_middle|>"
    marked = playground.page.locator("#raw-prompt .role.control").all_inner_texts()
    assert marked == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    playground.open_tab("raw-output")
    marked = playground.page.locator("#raw-output .role.control").all_inner_texts()
    assert marked == ["<|file_separator|>"]
