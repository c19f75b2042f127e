"""Behind a real nginx: on a sub-path with a login, and with two replicas, one of which ends during use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.coming_back import log_in, wait_until_shown
from tests.browser.playground import SECONDS, Playground
from tests.server import nginx
from tests.server.scripted_page import Page, serving, wait_until

pytestmark = nginx.needs_nginx

PREFIX = "/playground"


def on_a_port(server: str) -> str:
    """Return the guide's lines for an unusual port, which then appears in the host name too."""
    return server.replace("$host;", "$http_host;")


@pytest.mark.parametrize("slash", ["", "/"], ids=["prefix kept", "prefix taken away"])
def test_a_sub_path_with_a_login_streams_and_has_mcp(
    slash: str, browser: Browser, tmp_path: Path
) -> None:
    secrets: dict[str, Any] = {
        "CODEGEMMA_UI_AUTH": "ann:hush-hush",
        "CODEGEMMA_UI_API_KEY": "tool-key",
    }
    with serving("--root-path", PREFIX, "--mcp", "--openai-api", **secrets) as page:
        server = nginx.guide()[0].replace("http://127.0.0.1:7860", f"{page.url}{slash}")
        server = on_a_port(server).replace("location / {", f"location {PREFIX}/ {{")
        with nginx.running(server, tmp_path, f"{PREFIX}/healthz") as url:
            site = f"{url}{PREFIX}"
            visitor = browser.new_context().new_page()
            missing: list[str] = []
            visitor.on(
                "response", lambda got: missing.append(got.url) if got.status == 404 else None
            )
            visitor.goto(f"{site}/")
            log_in(visitor)
            playground = Playground(visitor, f"{site}/")
            wait_until_shown(playground)
            playground.wait_until_ready()
            playground.write("before", "slow 0.05")
            playground.write("after", "x")
            playground.press_complete()
            visitor.wait_for_function(  # it arrives while it is generated
                "document.querySelector('#middle .cm-content')?.textContent.startsWith('xxx')"
            )
            expect(playground.stop_button).to_be_visible()
            playground.stop_button.click()
            playground.wait_until_idle()
            assert missing == []
            visitor.context.close()
            key = {
                "Authorization": "Bearer tool-key",
                "Accept": "application/json, text/event-stream",
            }
            listed = httpx.post(
                f"{site}/gradio_api/mcp/",
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
                headers=key,
            )
            assert "complete" in listed.text
            asked = {"prompt": "def f(", "suffix": "", "max_tokens": 8}
            told = httpx.post(f"{site}/v1/completions", json=asked, headers=key).json()
            assert told["choices"][0]["text"]


def replica_of(url: str, visitor: str) -> str:
    """Return the replica that serves a visitor, by its own id."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=visitor)) as http:
        return str(http.get(f"{url}/gradio_api/app_id").json()["app_id"])


def test_visitors_stay_with_a_replica_and_go_on_at_the_other_when_it_ends(
    browser: Browser, tmp_path: Path
) -> None:
    with serving() as one, serving() as other:
        upstream = nginx.guide()[1]
        for port, replica in (("7860", one), ("7861", other)):
            upstream = upstream.replace(f"127.0.0.1:{port}", replica.url.removeprefix("http://"))
        server = on_a_port(nginx.guide()[0]).replace("http://127.0.0.1:7860", "http://playground")
        with nginx.running(f"{upstream}\n{server}", tmp_path) as url:
            named = {replica_of(each.url, "127.0.0.1"): each for each in (one, other)}
            theirs = {
                visitor: {replica_of(url, visitor) for _ in range(5)}
                for visitor in (f"127.0.{number}.1" for number in range(12))
            }
            assert all(len(each) == 1 for each in theirs.values())  # each stays with its replica
            assert set.union(*theirs.values()) == set(named)  # and both have some
            leave_in_the_middle(browser, url, named[replica_of(url, "127.0.0.1")])


def leave_in_the_middle(browser: Browser, url: str, mine: Page) -> None:
    """Kill a visitor's replica during a completion."""
    visitor = browser.new_context().new_page()
    visitor.goto(f"{url}/")
    playground = Playground(visitor, f"{url}/")
    wait_until_shown(playground)
    playground.wait_until_ready()
    playground.write("before", "slow 0.05")
    playground.write("after", "y")
    playground.press_complete()
    visitor.wait_for_function(
        "document.querySelector('#middle .cm-content')?.textContent.startsWith('yyy')"
    )
    mine.process.kill()
    wait_until(lambda: mine.process.poll() is not None)
    wait_until_shown(playground)
    playground.wait_for_text("before", "slow 0.05")
    playground.wait_for_text("after", "y")
    notice = visitor.locator("#answer .notice, #outcome .notice").first
    expect(notice).to_be_visible(timeout=30 * SECONDS)  # it was cut off
    assert re.match("y+$", playground.text("middle"))
    playground.write("before", "echo")
    playground.press_complete()
    playground.wait_until_done()
    playground.wait_for_text("middle", "y")
    visitor.context.close()
