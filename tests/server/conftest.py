"""One page over the scripted worker for all server tests; tests that change it start their own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.server.scripted_page import Page, serving, wait_until


@pytest.fixture(scope="package")
def page() -> Iterator[Page]:
    with serving("--metrics", "--allowed-host", "playground.example") as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        yield page


@pytest.fixture(scope="package")
def http(page: Page) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, timeout=20) as client:
        yield client
