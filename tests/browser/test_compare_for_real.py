"""Both comparisons with the real engine and the bundled model: their views match the engine's results."""

from __future__ import annotations

import re
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import expect

from codegemma_ui.ui.examples import by_key
from tests.browser.comparisons import GAIN, ORDERS, RACE, gain, lane, open_view, race, score
from tests.browser.playground import ENGINE_TIMEOUT, Playground

QUICKSTART = by_key("quickstart")


def fill(playground: Playground) -> None:
    playground.wait_until_ready("float32")
    playground.write("before", QUICKSTART.prefix)
    playground.write("after", QUICKSTART.suffix)


def test_the_suffix_tells_psm_which_import_and_left_to_right_never_sees_it(
    engine_page: Playground,
) -> None:
    fill(engine_page)
    open_view(engine_page, RACE)
    middles = race(engine_page, ENGINE_TIMEOUT)
    assert middles["psm"].startswith("sys")
    assert not middles["ltr"].startswith("sys")
    for layout in ORDERS:
        expect(lane(engine_page, layout).locator(".trained")).to_contain_text("✓")
    # Left to right generates the same whatever follows the cursor.
    engine_page.write("after", "\n\nprint(os.getcwd())\n")
    open_view(engine_page, RACE)
    assert race(engine_page, ENGINE_TIMEOUT)["ltr"] == middles["ltr"]


def test_a_race_with_the_same_seed_repeats_itself(engine_page: Playground) -> None:
    fill(engine_page)
    engine_page.open_advanced()
    engine_page.page.locator("#temperature input[type=number]").fill("1.2")
    engine_page.page.locator("#temperature input[type=number]").press("Enter")
    engine_page.page.locator("#seed input").fill("5")
    open_view(engine_page, RACE)
    first = race(engine_page, ENGINE_TIMEOUT)
    expect(engine_page.page.locator("#race .stage")).to_contain_text("seed 5")
    assert race(engine_page, ENGINE_TIMEOUT) == first


def test_the_true_middle_is_likelier_where_the_suffix_is_seen(engine_page: Playground) -> None:
    fill(engine_page)
    open_view(engine_page, RACE)
    engine_page.page.locator("#truth-fold > button").click()
    engine_page.page.locator("#truth textarea").fill("sys\n\n")
    race(engine_page, ENGINE_TIMEOUT)

    def logprob(layout: str) -> float:
        row = lane(engine_page, layout).locator(".truth div", has_text="Log-probability")
        return float(row.locator("dd").inner_text().split()[0].replace("−", "-"))

    assert logprob("psm") > logprob("ltr")
    assert logprob("spm") > logprob("ltr")


def call(url: str, **request: Any) -> dict[str, Any]:
    api = Client(url, verbose=False)
    found: dict[str, Any] = api.submit(**request, api_name="/complete").result(timeout=120)
    assert found["event"] == "done", found
    return found


def test_the_suffix_bought_what_two_scores_tell(engine_url: str, engine_page: Playground) -> None:
    fill(engine_page)
    engine_page.press_complete()
    engine_page.wait_until_done(ENGINE_TIMEOUT)
    open_view(engine_page, GAIN)
    score(engine_page)
    sys = gain(engine_page).locator(".cell").first
    expect(sys).to_have_class(re.compile(r"\bup\b"))
    assert (sys.get_attribute("aria-label") or "").startswith("sys, with the suffix ")
    asked = {"prefix": QUICKSTART.prefix, "max_length": 128}
    written = call(engine_url, **asked, suffix=QUICKSTART.suffix)
    score_of = {**asked, "forced": list(written["token_ids"]), "score": True}
    with_it = call(engine_url, **score_of, suffix=QUICKSTART.suffix)
    without = call(engine_url, **score_of, suffix="")
    bought = with_it["logprob"] - without["logprob"]
    assert bought > 0
    expect(gain(engine_page).locator(".reading")).to_contain_text(f"({bought:+.2f} nats)")


@pytest.mark.parametrize("layout", ORDERS)
def test_a_score_of_what_was_written_is_what_writing_it_told(
    layout: str, engine_url: str, engine_page: Playground
) -> None:
    engine_page.wait_until_ready("float32")
    asked = {"prefix": QUICKSTART.prefix, "suffix": QUICKSTART.suffix, "layout": layout}
    written = call(engine_url, **asked, max_length=96)
    scored = call(engine_url, **asked, max_length=96, forced=list(written["token_ids"]), score=True)
    assert scored["stop_reason"] == "scored"
    assert scored["token_ids"] == written["token_ids"]
    assert scored["logprob"] == pytest.approx(written["logprob"], abs=1e-3)
