"""The tokens of the current completion, scored with and without their suffix."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.comparisons import GAIN, gain, open_view, score
from tests.browser.playground import OpenPage, Playground, Scripted
from tests.support.scripted_client import BLIND


def complete(playground: Playground, after: str = "\nsys.exit(0)") -> None:
    playground.write("before", "import ")
    playground.write("after", after)
    playground.press_complete()
    playground.wait_until_done()


def test_each_token_is_scored_with_the_suffix_and_without(
    playground: Playground, scripted: Scripted
) -> None:
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    first, one, other = scripted.client.requests
    assert (one["suffix"], other["suffix"]) == ("\nsys.exit(0)", "")
    assert {**one, "suffix": ""} == other
    assert one["layout"] == first["layout"] == "psm"
    assert one["score"] is True
    count = len(one["forced"])
    bars = gain(playground).locator(".gain")
    cells = gain(playground).locator(".cell")
    expect(bars).to_have_count(count)
    expect(cells).to_have_count(count)
    for at, nats in enumerate(-each for each in BLIND):
        direction = "up" if nats > 0 else "down" if nats < 0 else "even"
        assert direction in (bars.nth(at).get_attribute("class") or "").split()
    up, down = bars.nth(1).bounding_box(), bars.nth(2).bounding_box()
    assert up
    assert down
    total = sum(-BLIND[at % 3] for at in range(count))
    reading = gain(playground).locator(".reading")
    expect(reading).to_contain_text(f"+{total:.2f} nats")
    expect(reading).to_contain_text(", 12% → 90%")
    expect(gain(playground)).to_contain_text("Both prompts are PSM")


def test_every_token_is_reached_by_the_keyboard(playground: Playground) -> None:
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    told = gain(playground).locator(".others")
    gain(playground).locator(".cell.lit").focus()
    playground.page.keyboard.press("Home")
    expect(told).to_contain_text("Token 1: sys")
    playground.page.keyboard.press("ArrowRight")
    expect(told).to_contain_text("+2.00 nats")
    expect(told).to_contain_text("with the suffix")
    expect(told).to_contain_text("90%")
    expect(told).to_contain_text("without the suffix")
    expect(told).to_contain_text("12%")
    expect(gain(playground).locator(".gain").nth(1)).to_have_class("gain up lit")
    playground.page.keyboard.press("ArrowRight")
    expect(told).to_contain_text("−0.50 nats")
    name = gain(playground).locator(".cell").nth(2).get_attribute("aria-label")
    assert name == "import, with the suffix 30%, without the suffix 50%, −0.50 nats"


def test_without_a_completion_or_a_suffix_the_engine_is_not_asked(
    playground: Playground, scripted: Scripted
) -> None:
    open_view(playground, GAIN)
    gain(playground).locator(".start").click()
    expect(gain(playground)).to_contain_text("Nothing to score yet")
    complete(playground, after="")
    expect(gain(playground)).not_to_contain_text("Nothing to score yet")
    gain(playground).locator(".start").click()
    expect(gain(playground)).to_contain_text("There is no code after the cursor")
    assert len(scripted.client.requests) == 1


def test_another_completion_is_not_told_the_old_scores(playground: Playground) -> None:
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    playground.press_complete()
    expect(gain(playground).locator(".reading")).to_have_count(0)
    playground.wait_until_done()
    expect(gain(playground).locator(".reading")).to_have_count(0)


def test_what_another_model_wrote_is_not_scored(playground: Playground, scripted: Scripted) -> None:
    complete(playground)
    scripted.client.be(preset="code_gemma_2b_en")
    open_view(playground, GAIN)
    gain(playground).locator(".start").click()
    expect(gain(playground)).to_contain_text("Another model wrote this")
    assert len(scripted.client.requests) == 1


def test_what_was_written_left_to_right_says_so(playground: Playground, scripted: Scripted) -> None:
    playground.open_advanced()
    playground.page.locator("#layout label", has_text="Left to right").click()
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    expect(gain(playground)).to_contain_text("the model never saw the suffix")
    assert [each["layout"] for each in scripted.client.requests] == ["ltr", "psm", "psm"]


def test_a_score_can_be_stopped(playground: Playground, scripted: Scripted) -> None:
    complete(playground)
    open_view(playground, GAIN)
    scripted.client.pause_s = 1.0
    gain(playground).locator(".start").click()
    expect(gain(playground)).to_contain_text("Scoring with the suffix")
    expect(playground.complete_button).to_be_disabled()
    playground.page.keyboard.press("Escape")
    expect(gain(playground)).to_contain_text("stopped by you")
    playground.wait_until_idle()
    assert scripted.client.ended == 2


def test_the_reading_is_in_the_persons_language(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url)
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    playground.page.locator("#language-choice label", has_text="한국어").click()
    reading = gain(playground).locator(".reading")
    expect(reading).to_contain_text("뒷부분이 있으면 이 코드의 확률이")
    expect(reading).to_contain_text("12%에서 90%로")
    expect(gain(playground).locator(".cell").first).to_be_visible()


def test_pieces_stay_text(playground: Playground, scripted: Scripted) -> None:
    scripted.client.middle = "x<img src=x>{{x}}"
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    assert gain(playground).locator("img").count() == 0
    expect(gain(playground).locator(".cell").nth(1)).to_contain_text("<")


def test_a_phone_shows_every_bar_of_a_long_middle(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, width=390, height=844)
    scripted.client.middle = "word " * 60
    scripted.client.pause_s = 0.002
    complete(playground)
    open_view(playground, GAIN)
    score(playground)
    bars = gain(playground).locator(".gain")
    expect(bars).to_have_count(121)
    widths = bars.evaluate_all("(bars) => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert min(widths) > 1
    assert playground.page.evaluate("document.documentElement.scrollWidth") <= 390
