"""Other tools get an error in their own format while no model is loaded."""

from __future__ import annotations

import httpx
import openai
import pytest

from tests.server.openai_api.clients import client_of
from tests.server.scripted_page import serving


def test_it_is_said_to_come_and_when_to_ask_again() -> None:
    with serving("--openai-api", SCRIPTED_WORKER="--load-s 30") as page:
        health = httpx.get(f"{page.url}/health")
        assert (health.status_code, health.json()["error"]["type"]) == (503, "unavailable_error")
        client = client_of(page)
        for ask in (
            client.models.list,
            lambda: client.completions.create(model="default", prompt="x"),
        ):
            with pytest.raises(openai.InternalServerError) as caught:
                ask()
            assert (caught.value.status_code, caught.value.code) == (503, "not_ready")
            assert caught.value.response.headers["retry-after"] == "2"
