"""Access through a login, and on a Space: the guard admits everyone who is allowed in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.browser.coming_back import wait_until_shown
from tests.browser.playground import Playground
from tests.server import scripted_page
from tests.server.scripted_page import serving, wait_until

SPACE = "owner-space.hf.space"


def open_when_ready(page: scripted_page.Page, browser: Browser) -> Page:
    wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
    return browser.new_context().new_page()


def complete(opened: Page, url: str) -> None:
    playground = Playground(opened, url)
    wait_until_shown(playground)
    playground.write("before", "hello")
    playground.write("after", "")
    with playground.a_run():  # the caption may still be that of the recorded completion
        playground.press_complete()
    assert playground.text("middle") == "hello"


def test_a_person_logs_in_and_completes(browser: Browser) -> None:
    with serving(CODEGEMMA_UI_AUTH="ann:hush-hush") as page:
        opened = open_when_ready(page, browser)
        opened.goto(page.url)

        def log_in(password: str) -> None:
            fields = opened.locator("input, textarea")
            fields.nth(0).fill("ann")
            fields.nth(1).fill(password)
            opened.get_by_role("button").last.click()

        log_in("wrong")
        expect(opened.locator("body")).to_contain_text("Incorrect")
        assert opened.locator("#before").count() == 0
        log_in("hush-hush")
        complete(opened, f"{page.url}/")
        assert "hush-hush" not in opened.content()
        assert "hush-hush" not in page.log()
        opened.context.close()


def test_a_space_serves_under_its_name_in_hugging_faces_frame_and_in_no_other(
    browser: Browser,
) -> None:
    """A host rule sends Chromium to loopback, since the names are real ones."""
    environ: dict[str, Any] = {"SPACE_ID": "owner/space", "SPACE_HOST": SPACE}
    with serving(**environ) as page:
        opened = open_when_ready(page, browser)
        port = urlsplit(page.url).port
        asked: list[str] = []

        def answer(route) -> None:
            """Serve Hugging Face's page around ours, and act as the proxy before a Space."""
            address = urlsplit(route.request.url)
            if address.hostname in ("huggingface.co", "evil.example") and "/frame" in address.path:
                body = f'<iframe src="https://{SPACE}/" width="1200" height="800"></iframe>'
                route.fulfill(body=body, content_type="text/html")
            elif address.hostname == SPACE:
                local = route.request.url.replace(f"https://{SPACE}", f"http://127.0.0.1:{port}")
                forwarded = {"host": SPACE, "x-forwarded-proto": "https", "x-forwarded-host": SPACE}
                headers = {**route.request.all_headers(), **forwarded}
                route.fulfill(response=route.fetch(url=local, headers=headers, timeout=0))
            else:
                asked.append(route.request.url)
                route.abort()

        opened.route("**/*", answer)
        opened.goto("https://huggingface.co/frame")
        frame = opened.frame_locator("iframe")
        expect(frame.locator("#status .status.ready")).to_be_visible()
        expect(frame.locator("#token-sum .sum")).not_to_be_empty()
        said: list[str] = []
        opened.on("console", lambda message: said.append(message.text))
        opened.goto("https://evil.example/frame")
        opened.wait_for_timeout(500)
        assert any("frame-ancestors" in each for each in said)
        expect(frame.locator("#status")).to_have_count(0)
        assert asked == []
        opened.unroute_all(behavior="ignoreErrors")  # endless streams
        opened.context.close()
