"""A path and other files in the advanced settings: counted, shown in the X-ray, and sent."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted

OTHER = "shapes.py\nclass Square:\n    pass\n"


def test_the_model_reads_them_before_the_prefix(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "from shapes import ")
    expect(playground.token_sum).not_to_contain_text("Prompt 4 ")
    alone = playground.token_sum.inner_text()
    playground.open_advanced()
    playground.page.get_by_label("File path").fill("main.py")
    playground.page.get_by_label("Other files of the project").fill(OTHER)
    expect(playground.token_sum).not_to_have_text(alone)
    playground.open_tab("xray")
    for role in ("path", "context"):
        expect(playground.page.locator(f"#xray .run-name.{role}").first).to_be_visible()
    playground.press_complete_in("before")
    playground.wait_until_done()
    request = scripted.client.requests[-1]
    assert (request["prefix"], request["path"]) == ("from shapes import ", "main.py")
    assert request["files"] == [{"path": "shapes.py", "text": "class Square:\n    pass\n"}]
    prompt = f"{OTHER}<|file_separator|>main.py\n<|fim_prefix|>from shapes import "
    assert playground.pane("raw-prompt").startswith(prompt)
