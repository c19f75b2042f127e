"""A model on a server with limited features: the page shows what it received, and what is unavailable."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from codegemma_ui.ipc.messages import AS_SERVED, LACKS
from codegemma_ui.machine import OPENAI
from tests.browser.playground import OpenPage, Playground, Scripted


@pytest.fixture
def playground(scripted: Scripted, open_page: OpenPage) -> Playground:
    scripted.client.middle = "sys\n"
    scripted.client.untold = True
    scripted.client.be(backend=OPENAI, dtype=AS_SERVED, device="vLLM", lacks=LACKS)
    return open_page(scripted.url)


def complete(playground: Playground) -> None:
    playground.write("before", "import ")
    playground.press_complete()
    playground.wait_until_done()


def test_what_it_lacks_is_said_in_both_languages(playground: Playground) -> None:
    page = playground.page
    expect(page.locator("#status")).to_contain_text("openai · the server's precision · vLLM")
    expect(page.locator("#notices")).to_contain_text("it does not report how likely tokens were")
    page.locator("#language-choice").get_by_text("한국어").click()
    expect(page.locator("#status")).to_contain_text("서버의 정밀도")
    expect(page.locator("#notices")).to_contain_text("토큰의 확률을 알려 주지 않음")


def test_tokens_without_probabilities(playground: Playground) -> None:
    complete(playground)
    assert playground.pane("program") == "import sys\n"
    expect(playground.page.locator("#caption")).to_contain_text("stopped by itself")
    playground.open_tab("tokens")
    view = playground.page.locator("#tokens")
    expect(view.locator(".cell.untold")).to_have_count(2)
    expect(view.locator(".strip")).to_have_count(0)
    expect(view.locator(".sum-line")).to_contain_text("2 tokens. The server did not report")
    expect(view.locator(".why")).to_contain_text("stopped by itself")
    view.locator(".cell").first.click()
    expect(view.locator(".others")).to_contain_text("not reported by the server")
    playground.page.keyboard.press("u")
    expect(view.locator(".cell").first).to_be_focused()
    expect(view).not_to_contain_text("NaN")


def test_a_race_without_probabilities(playground: Playground) -> None:
    playground.write("before", "import ")
    playground.open_tab("race")
    playground.page.get_by_role("button", name="Race the three orders").click()
    lanes = playground.page.locator("#race .lane.done")
    expect(lanes).to_have_count(3)
    expect(lanes.first).to_contain_text("2 tokens")
    expect(lanes.first).to_contain_text("not reported by the server")
    expect(lanes.first).to_contain_text("stopped by itself")
    expect(playground.page.locator("#race")).not_to_contain_text("NaN")


def test_such_a_completion_is_taken_along(playground: Playground) -> None:
    complete(playground)
    playground.open_tab("take")
    expect(playground.page.locator("#take")).to_contain_text("in a precision of its own")
    expect(playground.page.locator("#take")).to_contain_text("keras_nlp")
