"""An error says what happened and what to do, and the page still works afterwards."""

from playwright.sync_api import expect

from codegemma_ui.errors import WorkerDied
from tests.browser.playground import Playground, Scripted


def test_an_engine_error_is_shown_and_keeps_what_came(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.failure = WorkerDied("The process ended.", "Try again in a moment.")
    playground.write("before", "say ")
    playground.press_complete()
    expect(playground.answer).to_contain_text("The model stopped unexpectedly")
    expect(playground.answer).to_contain_text("Try again in a moment.")
    playground.wait_until_idle()
    assert playground.text("middle") == scripted.client.middle
    scripted.client.failure = None
    playground.press_complete()
    playground.wait_until_done()
    expect(playground.answer).to_have_count(0)


def test_bad_input_is_named(playground: Playground, scripted: Scripted) -> None:
    playground.write("after", "value = 1\n" * 20_001)
    playground.complete_button.click()
    expect(playground.answer).to_contain_text("suffix may have at most 200,000 characters")
    expect(playground.answer).to_contain_text("Received: 200,010")
    playground.wait_until_idle()
    assert not scripted.client.requests
