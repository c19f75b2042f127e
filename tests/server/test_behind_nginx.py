"""The guide's nginx configuration, with a real nginx and a real page: events arrive as they are sent."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.server import nginx
from tests.server.nginx import NAME
from tests.server.scripted_page import Page

ROOM = "proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;"
"""To hold back a whole completion, for an nginx that may."""

pytestmark = nginx.needs_nginx


@pytest.fixture(scope="module")
def proxied(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client that addresses nginx by the host name in the guide."""
    server = nginx.guide()[0].replace("http://127.0.0.1:7860", page.url)
    with (
        nginx.running(f"{ROOM}\n{server}", tmp_path_factory.mktemp("nginx")) as url,
        httpx.Client(base_url=url, headers={"Host": NAME}, timeout=20) as client,
    ):
        yield client


def test_the_page_calls_itself_by_its_public_name(proxied: httpx.Client) -> None:
    answer = proxied.get("/")
    assert answer.status_code == 200
    assert f'"root":"http://{NAME}' in answer.text


def test_an_event_comes_while_the_model_still_writes(
    proxied: httpx.Client, http: httpx.Client
) -> None:
    body = {"prefix": "slow 0.05", "suffix": "", "max_length": 96}
    origin = {"Origin": f"http://{NAME}"}
    called = proxied.post("/gradio_api/call/v2/complete", json=body, headers=origin)
    event = called.json()["event_id"]
    with proxied.stream("GET", f"/gradio_api/call/complete/{event}") as stream:
        assert next(stream.iter_lines())
        status = http.post("/gradio_api/run/status", json={"data": []}).json()["data"][0]
    assert status["state"] == "busy"  # buffered events would arrive at the end


def test_the_metrics_are_not_for_the_world(proxied: httpx.Client, http: httpx.Client) -> None:
    assert http.get("/metrics").status_code == 200
    assert proxied.get("/metrics").status_code == 404
