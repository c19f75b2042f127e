"""Tokens view: probabilities, alternatives, branches, and tokens after the end."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.playground import OpenPage, Playground, Scripted


@pytest.fixture
def playground(scripted: Scripted, open_page: OpenPage) -> Playground:
    scripted.client.middle = "sys\nimport re\n"
    playground = open_page(scripted.url)
    playground.write("before", "import ")
    playground.press_complete()
    playground.wait_until_done()
    playground.open_tab("tokens")
    expect(cells(playground).first).to_be_visible()
    return playground


def cells(playground: Playground):
    return playground.page.locator("#tokens .cell")


def test_every_token_is_there_and_the_unsure_ones_are_marked(playground: Playground) -> None:
    pieces = cells(playground).locator(".piece").all_text_contents()
    assert pieces == ["sys", "⏎", "import", "␣", "re", "⏎", "<|file_separator|>"]
    expect(playground.page.locator("#tokens .cell.middling")).to_have_count(2)
    expect(playground.page.locator("#tokens .why")).to_contain_text("<|file_separator|>")
    expect(playground.page.locator("#tokens .why")).to_contain_text("90%")


def test_the_least_sure_token_is_one_key_away(playground: Playground) -> None:
    cells(playground).first.focus()
    playground.page.keyboard.press("u")
    expect(cells(playground).nth(2)).to_be_focused()
    expect(playground.page.locator("#tokens .others")).to_contain_text("30%")
    playground.page.keyboard.press("u")
    expect(cells(playground).nth(5)).to_be_focused()


def test_another_token_makes_a_branch_and_one_walks_between_them(
    playground: Playground, scripted: Scripted
) -> None:
    other = scripted.client.vocabulary().encode(" os")[0]
    cells(playground).nth(2).click()
    playground.page.get_by_role("button", name="space os, 8.2%").click()
    expect(playground.page.locator("#tokens .branches li")).to_have_count(2)
    playground.wait_until_idle()
    asked = scripted.client.requests[-1]
    assert asked["forced"] == [300, 301, other]
    assert asked["prefix"] == "import "
    branches = playground.page.locator("#tokens .branches button")
    expect(branches.nth(1)).to_have_attribute("aria-current", "true")
    assert playground.pane("program") == "import sys\n os re\n"
    playground.open_tab("tokens")
    branches.nth(0).click()
    expect(branches.nth(0)).to_have_attribute("aria-current", "true")
    assert len(scripted.client.requests) == 2  # shown again, not generated again
    assert playground.pane("program") == "import sys\nimport re\n"
    assert playground.text("middle") == "sys\nimport re\n"


def test_keep_going_asks_for_what_comes_after_the_end(
    playground: Playground, scripted: Scripted
) -> None:
    stop = scripted.client.vocabulary().control_id("<|file_separator|>")
    playground.page.get_by_role("button", name="Keep going").click()
    expect(playground.page.locator("#tokens .branches li")).to_have_count(2)
    assert scripted.client.requests[-1]["forced"] == [300, 301, 302, 303, 304, 305, stop]
    assert playground.pane("program") == "import sys\nimport re\n"


def test_the_views_speak_korean_without_losing_the_run(playground: Playground) -> None:
    playground.page.locator("#language-choice").get_by_text("한국어").click()
    expect(playground.page.locator("#tokens .says")).to_contain_text("토큰")
    expect(cells(playground)).to_have_count(7)
    playground.open_tab("xray")
    expect(playground.page.locator("#xray .says")).to_contain_text("프롬프트")


def test_blank_tokens_have_names_and_numbers(playground: Playground) -> None:
    """On the screen they are signs; a screen reader would say nothing."""
    names = cells(playground).evaluate_all("cells => cells.map((one) => one.ariaLabel)")
    assert [name.split(",")[0] for name in names] == [
        *("sys", "line break", "import", "space", "re", "line break", "<|file_separator|>")
    ]
    cells(playground).nth(3).click()
    told = playground.page.locator("#tokens .others p").first
    expect(told).to_contain_text("Token 4: ␣ · ")
    expect(told.get_by_role("img", name="space", exact=True)).to_be_visible()
    words = {"spoken_spaces": "{count} spaces", "spoken_lines": "{count} line breaks"}
    spoken = "([text, words]) => playground.spoken(text, words)"
    said = playground.page.evaluate(spoken, ["\n\n    if", words])
    assert said == "2 line breaks 4 spaces if"
    playground.page.locator("#language-choice").get_by_text("한국어").click()
    expect(cells(playground).nth(1)).to_have_attribute("aria-label", re.compile("^줄바꿈, "))


def test_groups_and_panes_have_names(playground: Playground) -> None:
    page = playground.page
    for name in ("Page language", "Line ending"):
        expect(page.get_by_role("group", name=name)).to_be_visible()
    expect(page.get_by_role("heading", level=2, name="Tokens")).to_be_attached()
    playground.open_tab("program")
    expect(page.get_by_role("heading", level=2, name="Program")).to_be_attached()
