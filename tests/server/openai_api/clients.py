"""OpenAI's own client, connected to a page."""

from __future__ import annotations

from typing import Any

import httpx
import openai

from tests.server.scripted_page import Page, wait_until

KEY = "a-long-key"  # as in README.md and docs/

WAITING = 4


def client_of(page: Page, **named: Any) -> openai.OpenAI:
    """Return a client that does not retry."""
    given: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": 30, **named}
    return openai.OpenAI(base_url=f"{page.url}/v1", **given)


def until_free(page: Page) -> None:
    wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
