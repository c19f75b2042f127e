"""Esc and the Stop button: received text stays, the page says who stopped it, and is idle at once."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.playground import Playground, Scripted

PRESS_AT_ONCE = """() => {
    window.pressed = false;
    const button = document.getElementById("complete");
    new MutationObserver((_, observer) => {
        if (button.disabled) return;
        observer.disconnect();
        button.click();
        window.pressed = true;
    }).observe(button, { attributes: true });
}"""
"""Clicks the button in the very moment in which it is enabled."""


def stop(way: str, playground: Playground, scripted: Scripted) -> float:
    """Stop a running completion; return the seconds until the page reports it."""
    scripted.client.pause_s = 0.1
    scripted.client.middle = "word " * 500
    playground.write("before", "say ")
    playground.press_complete_in("before")
    expect(playground.editor("middle")).to_contain_text("word word")
    asked = time.monotonic()
    if way == "escape":
        playground.page.keyboard.press("Escape")
    else:
        playground.stop_button.click()
    expect(playground.caption).to_contain_text("stopped by you")
    return time.monotonic() - asked


@pytest.mark.parametrize("way", ["escape", "button"])
def test_a_stop_is_heard_within_a_heartbeat(
    way: str, playground: Playground, scripted: Scripted
) -> None:
    assert stop(way, playground, scripted) < 1.0


@pytest.mark.parametrize("way", ["escape", "button"])
def test_stopping_keeps_what_came(way: str, playground: Playground, scripted: Scripted) -> None:
    stop(way, playground, scripted)
    playground.wait_until_idle()
    middle = playground.text("middle")
    assert middle.startswith("word word")
    assert playground.pane("program") == "say " + middle
    assert scripted.client.ended == 1


def test_stop_while_waiting_for_the_model(playground: Playground, scripted: Scripted) -> None:
    scripted.client.be_loading()
    playground.write("before", "say ")
    playground.press_complete()
    expect(playground.caption).to_contain_text("Waiting: loading Bundled FIM model")
    playground.page.keyboard.press("Escape")
    expect(playground.caption).to_contain_text("stopped by you")
    playground.wait_until_idle()
    assert scripted.client.ended == 1


def test_the_next_completion_works_after_a_stop(playground: Playground, scripted: Scripted) -> None:
    scripted.client.pause_s = 0.1
    middle, scripted.client.middle = scripted.client.middle, "word " * 500
    playground.write("before", "say ")
    playground.press_complete()
    expect(playground.editor("middle")).to_contain_text("word")
    playground.page.keyboard.press("Escape")
    playground.wait_until_idle()
    scripted.client.middle = middle
    scripted.client.pause_s = 0.01
    playground.press_complete()
    playground.wait_until_done()
    assert playground.text("middle") == scripted.client.middle


def test_a_press_as_soon_as_the_button_is_enabled_counts(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.pause_s = 0.05
    scripted.client.middle = "word " * 500
    playground.write("before", "say ")
    for round_ in range(1, 6):
        playground.press_complete()
        expect(playground.stop_button).to_be_enabled()
        playground.page.evaluate(PRESS_AT_ONCE)
        playground.page.keyboard.press("Escape")
        playground.page.wait_for_function("window.pressed")
        expect(playground.stop_button).to_be_enabled()
        playground.page.keyboard.press("Escape")
        playground.wait_until_idle()
        assert scripted.client.ended == 2 * round_


def test_two_presses_at_once_complete_once(playground: Playground, scripted: Scripted) -> None:
    playground.write("before", "say ")
    playground.page.evaluate(
        "() => { const c = document.getElementById('complete'); c.click(); c.click(); }"
    )
    playground.wait_until_done()
    assert scripted.client.ended == 1
    assert playground.text("middle") == scripted.client.middle
