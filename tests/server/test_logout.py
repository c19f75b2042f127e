"""Only our own page can log out, and only its own session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.server.scripted_page import Page, serving

PASSWORD = "hush-hush"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with serving(CODEGEMMA_UI_AUTH=f"ann:{PASSWORD}") as page:
        yield page


@contextmanager
def visitor(page: Page) -> Iterator[httpx.Client]:
    """Return a client that has logged in."""
    with httpx.Client(base_url=page.url) as client:
        assert client.post("/login", data={"username": "ann", "password": PASSWORD}).is_success
        yield client


def is_in(client: httpx.Client) -> bool:
    return client.get("/gradio_api/login_check").status_code == 200


def test_it_ends_ones_own_session_and_no_other(page: Page) -> None:
    with visitor(page) as leaving, visitor(page) as staying:
        token = dict(leaving.cookies)
        told = leaving.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
        assert told.status_code == 303
        assert not is_in(leaving)
        assert is_in(staying)
        with httpx.Client(base_url=page.url, cookies=token) as thief:  # the cookie is invalid
            assert not is_in(thief)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://stranger.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_logs_nobody_out(page: Page, headers: dict[str, str]) -> None:
    with visitor(page) as client:
        assert client.post("/logout", headers=headers).status_code == 403
        assert is_in(client)


def test_an_image_logs_nobody_out(page: Page) -> None:
    with visitor(page) as client:
        assert client.get("/logout").status_code == 405
        assert is_in(client)


def test_what_a_browser_says_of_where_it_asks_from_is_enough_everywhere(page: Page) -> None:
    with visitor(page) as client:
        for path in ("/gradio_api/call/complete", "/gradio_api/run/status", "/login"):
            told = client.post(path, json={"data": []}, headers={"Sec-Fetch-Site": "cross-site"})
            assert told.status_code == 403
