"""One page over the scripted worker that serves other tools too, and OpenAI's own client of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.server.scripted_page import Page, serving, wait_until

KEY = "a-long-key"  # as README.md and docs/ have it
WAITING = 4


def client_of(page: Page, **named: object) -> openai.OpenAI:
    """One that does not try again by itself."""
    given = {"api_key": KEY, "max_retries": 0, "timeout": 30, **named}
    return openai.OpenAI(base_url=f"{page.url}/v1", **given)


def until_free(page: Page) -> None:
    wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")


@pytest.fixture(scope="package")
def page() -> Iterator[Page]:
    flags = ("--openai-api", "--metrics", "--queue-size", str(WAITING))
    environ = {"CODEGEMMA_UI_API_KEY": KEY, "CODEGEMMA_UI_AUTH": "ann:a-password"}
    with serving(*flags, "--log-level", "debug", **environ) as page:
        until_free(page)
        yield page


@pytest.fixture(scope="package")
def client(page: Page) -> Iterator[openai.OpenAI]:
    with client_of(page) as client:
        yield client


@pytest.fixture(scope="package")
def http(page: Page) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=page.url, timeout=30, headers=headers) as client:
        yield client
