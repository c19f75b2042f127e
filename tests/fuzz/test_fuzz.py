"""A small part of `make fuzz`: bad requests do no harm, and good ones come back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tools.fuzz import exact, run
from tools.fuzz.bad_requests import requests


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with exact.a_page() as client:
        yield client


def test_the_same_seed_makes_the_same_requests() -> None:
    assert list(requests(7, 300)) == list(requests(7, 300))
    assert list(requests(7, 300)) != list(requests(8, 300))


def test_bad_requests_do_no_harm() -> None:
    outcome = run.fuzz(300, seed=2)
    assert outcome.wrong == [], outcome.as_text()
    assert outcome.sent == 300
    assert {200, 404, 413, 422} <= set(outcome.statuses)
    assert {"bad_input", "done"} <= set(outcome.events)


def test_every_byte_survives(client: httpx.Client) -> None:
    exact.property_of(client, 60)()


def test_what_a_stream_shows_is_how_its_end_begins(client: httpx.Client) -> None:
    """The worker is slower than the update rate, so that there are many updates."""
    assert exact.check(client, "words \t한글 👩‍👩‍👧‍👦\r\n\tשלום", "  \r\n", pause_s=0.05) >= 6
