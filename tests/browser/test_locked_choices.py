"""Choices of the model locked by the operator: visible with the reason, and enforced by the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from codegemma_ui.server import serving
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout, permission
from tests.browser.playground import OpenPage, Scripted
from tests.support.scripted_client import ScriptedClient
from tools.reliability import visitor


@pytest.fixture(scope="module")
def locked() -> Iterator[Scripted]:
    settings = Settings(port=0, allow_switch="nobody")
    client = ScriptedClient(settings)
    blocks = layout.build(client, settings)  # type: ignore[arg-type]
    yield Scripted(client, serving.start(blocks, client, settings).url)  # type: ignore[arg-type]
    blocks.close(verbose=False)


@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "only the operator can change it"), ("ko", "운영자가 모델을 고정했습니다")],
)
def test_locked_choices_are_shown_and_say_why(
    locked: Scripted, open_page: OpenPage, language: str, reason: str
) -> None:
    page = open_page(locked.url, f"?lang={language}").page
    for name in ("model", "backend"):
        expect(page.locator(f"#{name}")).to_contain_text(reason)
        expect(page.locator(f"#{name} input")).to_be_disabled()


def test_a_switch_past_the_page_is_refused_too(locked: Scripted) -> None:
    async def choose() -> tuple[str, str]:
        async with visitor.connect(locked.url) as http:
            page = visitor.Visitor(http, await visitor.open_page(http))
            return await page.choose("backend", "jax"), await page.cancel_switch()

    with ThreadPoolExecutor(1) as aside:  # Playwright keeps an event loop running on this thread
        answers = aside.submit(asyncio.run, choose()).result()
    for answer in answers:
        assert "Not allowed here" in answer
        assert "only the operator can change it" in answer
    assert locked.client.switches == []


def test_with_login_whoever_has_logged_in_may_switch() -> None:
    settings = Settings(allow_switch="login")
    assert permission.why_locked(settings, "ada", "en") == ""
    assert "Log in" in permission.why_locked(settings, None, "en")
    assert permission.why_locked(Settings(), None, "en") == ""
