"""While a middle streams: every pane shows it, and only what is new is sent."""

from __future__ import annotations

from tests.browser.playground import Playground, Scripted

LINES = "x = 1\n" * 3000
SLOW = 40_000  # milliseconds: beside another browser on two cores


def test_a_long_program_is_not_sent_with_each_token(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.pause_s = 0.02
    scripted.client.middle = "word " * 1000
    page = playground.page
    playground.paste("before", LINES)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    received: list[int] = []
    network.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
    playground.press_complete()
    # While it streams: at its end the panes are sent whole.
    page.wait_for_function(
        """() => {
          const middle = window.playground.editors.text("middle");
          const shown = document.querySelector("#program .role.middle")?.textContent;
          return middle.length > 500 && shown === middle && !document.getElementById("stop").disabled;
        }""",
        timeout=SLOW,
    )
    playground.open_tab("raw-output")
    page.wait_for_function(
        "document.querySelector('#raw-output .role.middle')?.textContent.length > 700"
        " && !document.getElementById('stop').disabled",
        timeout=SLOW,
    )
    sent = sum(received)
    playground.stop_button.click()
    playground.wait_until_idle()
    # The program and the prompt are sent a few times by then; with each update it would be some fifty times.
    assert sent < 15 * len(LINES)
    page.wait_for_function(
        "document.querySelector('#program pre').textContent"
        " === window.playground.editors.text('before') + window.playground.editors.text('middle')"
    )
