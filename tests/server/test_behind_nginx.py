"""The guide's lines for nginx, with a real nginx before a real page: events come as they are written."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.scripted_page import Page, wait_until

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NAME = "playground.example"

ROOM = "proxy_buffer_size 256k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;"
"""To hold back a whole completion, for an nginx that may."""

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")


@pytest.fixture(scope="module")
def proxied(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """What speaks to nginx by the name that the guide gives the page."""
    folder = tmp_path_factory.mktemp("nginx")
    guide = (ROOT / "docs" / "deploying.md").read_text()
    found = re.search(r"```nginx\n(.*?)```", guide, re.DOTALL)
    assert found
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Another port, and no certificate.
    server = found[1].replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    server = server.replace("http://127.0.0.1:7860", page.url)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; {paths} {ROOM}\n{server} }}\n"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-e", f"{folder}/errors"])
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Host": NAME}, timeout=20
        ) as client:
            wait_until(lambda: answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(10)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


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
    assert status["state"] == "busy"  # what is held back would come at its end


def test_the_metrics_are_not_for_the_world(proxied: httpx.Client, http: httpx.Client) -> None:
    assert http.get("/metrics").status_code == 200
    assert proxied.get("/metrics").status_code == 404
