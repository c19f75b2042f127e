"""Three lanes run one after another, can be stopped, show refusals, and link to the other views."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.comparisons import ORDERS, RACE, lane, open_view, race, race_starter
from tests.browser.playground import SECONDS, OpenPage, Playground, Scripted

# Every drawn state of the three lanes.
NOTE = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const lanes = [...document.querySelectorAll("#race .lane")];
        const states = lanes.map((lane) => lane.classList[1]).join(" ");
        if (states && window.seen.at(-1) !== states) window.seen.push(states);
    }).observe(document.getElementById("panes"), {subtree: true, childList: true});
}"""


def test_before_a_race_the_lanes_show_their_orders(playground: Playground) -> None:
    open_view(playground, RACE)
    orders = [lane(playground, one).locator(".order li").all_inner_texts() for one in ORDERS]
    assert orders == [
        ["before", "after", "middle"],
        ["after", "before", "middle"],
        ["before", "middle"],
    ]
    expect(lane(playground, "psm")).to_contain_text("not run")
    view = playground.page.locator("#race .stage")
    expect(view).to_contain_text("CodeGemma's documentation shows PSM only")
    report = view.get_by_role("link", name="arXiv 2406.11409, section 2.1")
    expect(report).to_have_attribute("href", "https://arxiv.org/abs/2406.11409")


def test_the_lanes_fill_one_after_another(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "import ")
    playground.write("after", "\nsys.exit(0)")
    open_view(playground, RACE)
    playground.page.evaluate(NOTE)
    race(playground)  # the page's own button is disabled meanwhile
    seen = playground.page.evaluate("window.seen")
    writing = [states for states in seen if "writing" in states]
    assert writing == ["writing idle idle", "done writing idle", "done done writing"]
    in_turn = re.compile("(done ?)*((waiting|writing) ?)?(idle ?)*")
    assert [states for states in seen if not in_turn.fullmatch(states)] == []
    for layout in ORDERS:
        shown = lane(playground, layout)
        assert shown.locator("pre").text_content() == scripted.client.middle
        for said in ("stopped at", "trained on this order", "0.040 s", "22 tokens", "−9.90 nats"):
            expect(shown).to_contain_text(said)
    asked = scripted.client.requests
    assert [each["layout"] for each in asked] == list(ORDERS)
    assert len({each["seed"] for each in asked}) == 1
    assert isinstance(asked[0]["seed"], int)
    # At temperature 0 it has no effect, and nothing is said of it.
    expect(playground.page.locator("#race .stage")).not_to_contain_text("seed")
    expect(race_starter(playground)).to_be_focused()


def test_the_persons_own_seed_is_used(playground: Playground, scripted: Scripted) -> None:
    playground.open_advanced()
    playground.page.locator("#seed input").fill("11")
    open_view(playground, RACE)
    race(playground)
    assert [each["seed"] for each in scripted.client.requests] == [11, 11, 11]


@pytest.mark.parametrize("way", ["escape", "button"])
def test_a_race_can_be_stopped(way: str, playground: Playground, scripted: Scripted) -> None:
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 500
    open_view(playground, RACE)
    race_starter(playground).click()
    expect(lane(playground, "psm").locator("pre")).to_contain_text("word word")
    asked = time.monotonic()
    if way == "escape":
        playground.page.keyboard.press("Escape")
    else:
        playground.stop_button.click()
    expect(lane(playground, "psm")).to_contain_text("stopped by you")
    assert time.monotonic() - asked < 1.0, "a stop is heard within a heartbeat"
    playground.wait_until_idle()
    expect(lane(playground, "psm").locator("pre")).to_contain_text("word word")
    expect(lane(playground, "spm")).to_contain_text("not run")
    assert (len(scripted.client.requests), scripted.client.ended) == (1, 1)


def test_the_true_middle_is_scored_in_each_order(
    playground: Playground, scripted: Scripted
) -> None:
    open_view(playground, RACE)
    box = playground.page.locator("#truth textarea")
    expect(box).to_be_hidden()
    playground.page.locator("#truth-fold > button").click()
    box.fill(scripted.client.middle)
    box.blur()
    race_starter(playground).click()
    truth = lane(playground, "ltr").locator(".truth")
    expect(truth).to_contain_text("Stops there", timeout=30 * SECONDS)
    playground.wait_until_idle()
    vocabulary = scripted.client.vocabulary()
    count = len(vocabulary.encode(scripted.client.middle))
    for layout in ORDERS:
        shown = lane(playground, layout).locator(".truth")
        expect(shown).to_contain_text(f"{count} tokens")
        expect(shown).to_contain_text("80%")  # the scripted probability of an end
        expect(shown).to_contain_text("Exact match✓ yes")
    raced, scored = scripted.client.requests[:3], scripted.client.requests[3:]
    assert not any("score" in each for each in raced)
    assert [(each["layout"], each["score"]) for each in scored] == [(one, True) for one in ORDERS]
    assert {tuple(each["forced"][:-1]) for each in scored} == {
        tuple(vocabulary.encode(scripted.client.middle))
    }


def test_a_race_waits_its_turn(scripted: Scripted, open_page: OpenPage) -> None:
    scripted.client.be_loading()
    first, second = open_page(scripted.url), open_page(scripted.url)
    first.press_complete()
    expect(first.caption).to_contain_text("Waiting")
    open_view(second, RACE)
    race_starter(second).click()
    expect(lane(second, "psm")).to_contain_text("Waiting: 1 ahead of you")
    scripted.client.be_ready()
    first.wait_until_done()
    expect(lane(second, "ltr")).to_contain_text("stopped at", timeout=30 * SECONDS)


def test_a_race_that_is_too_many_is_refused(scripted: Scripted, open_page: OpenPage) -> None:
    scripted.client.be_loading()
    crowd = [open_page(scripted.url) for _ in range(4)]  # one runs, three wait
    for page in crowd:
        page.press_complete()
        expect(page.caption).to_contain_text("Waiting")
    last = open_page(scripted.url, "?lang=ko")
    open_view(last, RACE)
    race_starter(last).click()
    expect(lane(last, "psm")).to_contain_text("대기 중인 요청이 너무 많습니다")
    last.wait_until_idle()
    assert len(scripted.client.requests) <= 4
    for page in crowd:
        page.page.keyboard.press("Escape")


def test_a_failure_ends_the_race(playground: Playground, scripted: Scripted) -> None:
    from codegemma_ui.errors import EngineError

    scripted.client.failure = EngineError("it broke", "Try again.")
    open_view(playground, RACE)
    race_starter(playground).click()
    expect(lane(playground, "psm").get_by_role("alert")).to_contain_text("it broke")
    playground.wait_until_idle()
    expect(lane(playground, "spm")).to_contain_text("not run")
    assert len(scripted.client.requests) == 1


def test_a_model_that_was_not_trained_on_an_order_says_so(
    playground: Playground, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from codegemma_ui import presets

    only = replace(presets.bundled(), layouts=("psm",))
    monkeypatch.setattr(scripted.client, "presets", lambda: (only,))
    open_view(playground, RACE)
    race(playground)
    trained = [lane(playground, one).locator(".trained").inner_text() for one in ORDERS]
    assert trained == [
        "✓ trained on this order",
        "✗ not trained on this order",
        "✓ trained on this order",
    ]


def test_a_lane_leads_to_the_other_views(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "import ")
    playground.write("after", "\nsys.exit(0)")
    open_view(playground, RACE)
    race(playground)
    lane(playground, "spm").get_by_role("button", name="Open in all tabs").click()
    playground.wait_for_text("middle", scripted.client.middle)
    assert playground.pane("raw-prompt").startswith("<|fim_suffix|>")
    assert len(scripted.client.requests) == 3  # no request was sent to the engine


def test_a_race_survives_a_change_of_language(playground: Playground, scripted: Scripted) -> None:
    """Also if its last message arrived while another tab was open."""
    open_view(playground, RACE)
    scripted.client.pause_s = 0.1
    with playground.a_run(60 * SECONDS):
        race_starter(playground).click()
        playground.open_tab("program")
    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect(playground.page.get_by_role("tab", name="순서 비교")).to_be_visible()
    open_view(playground, RACE)
    for layout in ORDERS:
        expect(lane(playground, layout)).to_contain_text("멈춘 곳")
        expect(lane(playground, layout).locator("pre")).to_contain_text("getcwd")


def test_what_a_model_writes_stays_text(playground: Playground, scripted: Scripted) -> None:
    scripted.client.middle = "<img src=x onerror=alert(1)>{{x}}${1}</pre>"
    open_view(playground, RACE)
    race(playground)
    for layout in ORDERS:
        assert lane(playground, layout).locator("pre").text_content() == scripted.client.middle
        assert lane(playground, layout).locator("img").count() == 0


def test_a_phone_shows_the_lanes_below_each_other(scripted: Scripted, open_page: OpenPage) -> None:
    playground = open_page(scripted.url, width=390, height=844)
    scripted.client.middle = "a_very_long_line = " + "1 + " * 60
    open_view(playground, RACE)
    race(playground)
    assert playground.page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [lane(playground, one).bounding_box() for one in ORDERS]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert len(set(tops)) == 3
