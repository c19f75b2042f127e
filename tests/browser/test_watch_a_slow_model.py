"""A model at two tokens a second: the page while it waits, and continuing after the time limit."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from codegemma_ui.errors import ChoiceFailed, WorkerDied
from tests.browser.comparisons import GAIN, RACE, gain, lane, open_view, race_starter
from tests.browser.playground import OpenPage, Playground, Scripted
from tests.support.scripted_client import MIDDLE


def test_who_waits_sees_about_how_long(scripted: Scripted, open_page: OpenPage) -> None:
    scripted.client.serving = False
    first, second = (open_page(scripted.url) for _ in range(2))
    first.press_complete()
    expect(first.caption).to_contain_text("Waiting")
    scripted.client.expected_wait_s = 41
    second.press_complete()
    expect(second.caption).to_contain_text("Waiting: 1 ahead of you · about 40 s")
    scripted.client.expected_wait_s = 17
    expect(second.caption).to_contain_text("about 15 s")
    second.page.wait_for_timeout(600)  # a wait of less than half a second is not mentioned
    scripted.client.serving = True
    second.wait_until_done()
    expect(second.caption).to_contain_text(
        re.compile(r"first token 0\.04 s after [\d.]+ s in the q")
    )


def test_a_prompt_that_is_prefilled_says_how_far_it_is(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.be(warm=0.3)  # other programs are compiled meanwhile, which delays no request
    scripted.client.prefilled = (512, 2000)
    playground.press_complete()
    expect(playground.caption).to_contain_text("Reading the prompt: 512 of 2,000 tokens")
    expect(playground.caption).not_to_contain_text("compiling")
    scripted.client.prefilled = None
    playground.wait_until_done()


READING = re.compile(r"Reading the prompt: 512 of 2,000 tokens · about [\d,]+ s left")


def read_on(scripted: Scripted, said: Locator) -> None:
    """Let it prefill a part of its prompt, and check the progress shown."""
    expect(said).to_contain_text("Reading the prompt: 0 of 2,000 tokens")
    scripted.client.prefilled = (512, 2000)
    expect(said).to_contain_text(READING)
    scripted.client.prefilled = None


def test_a_race_says_how_far_each_lane_is(playground: Playground, scripted: Scripted) -> None:
    open_view(playground, RACE)
    scripted.client.prefilled = (0, 2000)
    pause_s, scripted.client.pause_s = scripted.client.pause_s, 0.3
    race_starter(playground).click()
    state = lane(playground, "psm").locator(".lane-state")
    read_on(scripted, state)
    expect(state).to_contain_text(re.compile(r"Writing · \d+ tokens · [\d.]+ tok/s"))
    scripted.client.pause_s = pause_s
    playground.wait_until_idle()


def test_a_lane_that_waits_says_about_how_long(scripted: Scripted, open_page: OpenPage) -> None:
    first, second = (open_page(scripted.url) for _ in range(2))
    open_view(second, RACE)
    scripted.client.serving = False
    scripted.client.expected_wait_s = 41
    first.press_complete()
    expect(first.caption).to_contain_text("Waiting")
    race_starter(second).click()
    state = lane(second, "psm").locator(".lane-state")
    expect(state).to_have_text("Waiting: 1 ahead of you · about 40 s")
    scripted.client.serving = True
    second.wait_until_idle()


def test_scoring_a_suffix_says_how_far_it_is(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "import ")
    playground.write("after", "\nsys.exit(0)")
    playground.press_complete()
    playground.wait_until_done()
    open_view(playground, GAIN)
    scripted.client.prefilled = (0, 2000)
    gain(playground).locator(".start").click()
    state = gain(playground).locator(".state")
    expect(state).to_contain_text("Scoring with the suffix · Reading the prompt: 0 of 2,000 tokens")
    read_on(scripted, state)
    expect(gain(playground).locator(".reading")).to_be_visible()
    playground.wait_until_idle()


def test_a_branch_says_how_far_it_is_where_it_was_asked_for(
    playground: Playground, scripted: Scripted
) -> None:
    playground.press_complete()
    playground.wait_until_done()
    playground.open_tab("tokens")
    state = playground.page.locator("#tokens .run-state")
    expect(state).to_have_text("")
    scripted.client.prefilled = (0, 2000)
    playground.page.locator("#tokens .cell").nth(2).click()
    playground.page.locator("#tokens .others button:not(:disabled)").first.click()
    read_on(scripted, state)
    playground.wait_until_done()
    expect(state).to_have_text("")


def test_an_end_at_the_limit_goes_on_to_the_end(playground: Playground, scripted: Scripted) -> None:
    scripted.client.limit = 9
    playground.press_complete()
    playground.wait_until_done()
    notice = playground.page.locator("#outcome .notice.unfinished")
    expect(notice).to_contain_text("Not finished: the 120 s time limit was reached after 9 tokens.")
    expect(playground.caption).to_have_class(re.compile("unfinished"))
    written = playground.page.evaluate(
        "document.querySelector('#middle .cm-content').cmTile.view.state.doc.toString()"
    )
    assert MIDDLE.startswith(written)
    scripted.client.limit = None
    with playground.a_run():
        notice.get_by_role("button", name="Continue").click()
    playground.wait_until_done()
    playground.wait_for_text("middle", MIDDLE)
    first, second = scripted.client.requests
    assert second["forced"] == [300 + index for index in range(9)]
    assert {**second, "forced": first.get("forced")}["max_length"] == first["max_length"]
    expect(notice).to_have_count(0)
    expect(playground.caption).not_to_have_class(re.compile("unfinished"))


def test_what_the_limit_allows_is_said_before_a_run(
    playground: Playground, scripted: Scripted
) -> None:
    expect(playground.token_sum).to_be_visible()
    scripted.client.be(tokens_per_s=0.4)
    expect(playground.page.locator("#token-sum")).to_contain_text(
        "At 0.4 tok/s, the 120 s limit allows about 50 tokens"
    )


def test_a_model_that_sleeps_says_so_and_wakes(playground: Playground, scripted: Scripted) -> None:
    scripted.client.be_asleep()
    expect(playground.status).to_contain_text("asleep: wakes with the next request")
    playground.press_complete()
    scripted.client.be_loading()
    scripted.client.be(progress=0.4)
    expect(playground.caption).to_contain_text("Waiting: loading Bundled FIM model")
    expect(playground.caption).to_contain_text("40%")
    expect(playground.page.locator("#status progress")).to_have_attribute("value", "0.40")
    expect(playground.page.locator("#cancel-switch")).to_be_hidden()  # nothing to go back to
    scripted.client.be_ready()
    playground.wait_until_done()


def test_a_crash_is_told_once(playground: Playground, scripted: Scripted) -> None:
    died = WorkerDied("The model's process ended unexpectedly (exit code -9).", "Try again.")
    scripted.client.failure = died
    playground.press_complete()
    expect(playground.answer).to_contain_text("exit code -9")
    scripted.client.be(error={"code": died.code, "message": died.message, "hint": died.hint})
    everywhere = playground.page.locator("#notices .notice.error")
    expect(everywhere).to_have_count(1)
    expect(everywhere).to_be_hidden()


def test_everybody_else_is_told_what_runs_again(playground: Playground, scripted: Scripted) -> None:
    failed = ChoiceFailed("CodeGemma 2B (jax, int8) could not complete anything.", "Try again.")
    scripted.client.be(error={"code": failed.code, "message": failed.message, "hint": failed.hint})
    everywhere = playground.page.locator("#notices .notice.error")
    expect(everywhere).to_contain_text("That choice does not work here")
    expect(everywhere).to_contain_text("CodeGemma 2B (jax, int8)")
