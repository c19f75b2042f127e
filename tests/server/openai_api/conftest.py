"""A page over the scripted worker that also serves other tools, and OpenAI's own client connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.server.openai_api.clients import KEY, WAITING, client_of, until_free
from tests.server.scripted_page import Page, serving


@pytest.fixture(scope="package")
def page() -> Iterator[Page]:
    flags = ("--openai-api", "--metrics", "--queue-size", str(WAITING))
    environ: dict[str, Any] = {"CODEGEMMA_UI_API_KEY": KEY, "CODEGEMMA_UI_AUTH": "ann:a-password"}
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
