"""Only known host names are served, and requests from other origins are rejected."""

from __future__ import annotations

import httpx
import pytest

from codegemma_ui.server.hosts import Hosts
from tests.server.scripted_page import Page, serving

LOCAL = Hosts.of("127.0.0.1", ["playground.example"])
EVERYWHERE = Hosts.of("0.0.0.0", ["owner-space.hf.space"])


@pytest.mark.parametrize(
    ("hosts", "header", "known"),
    [
        (LOCAL, "127.0.0.1:7860", True),
        (LOCAL, "localhost", True),
        (LOCAL, "LOCALHOST:1", True),
        (LOCAL, "[::1]:7860", True),
        (LOCAL, "playground.example:443", True),
        (LOCAL, "Playground.Example", True),
        (LOCAL, "evil.example", False),
        (LOCAL, "playground.example.evil.example", False),
        (LOCAL, "evil.example:7860", False),
        (LOCAL, "127.0.0.1.evil.example", False),
        (LOCAL, "192.168.1.4", False),
        (LOCAL, "a@localhost", False),
        (LOCAL, "localhost/x", False),
        (LOCAL, "localhost:port", False),
        (LOCAL, "", False),
        (LOCAL, None, False),
        (EVERYWHERE, "192.168.1.4:7860", True),
        (EVERYWHERE, "[fe80::1]:7860", True),
        (EVERYWHERE, "owner-space.hf.space", True),
        (EVERYWHERE, "evil.example", False),
        (Hosts.of("playground.lan", []), "playground.lan:7860", True),
        (Hosts.of("0.0.0.0", ["*"]), "anything.example", True),
    ],
)
def test_a_host_is_ours_or_is_not(hosts: Hosts, header: str | None, known: bool) -> None:
    assert hosts.knows(header) is known


@pytest.mark.parametrize(
    ("hosts", "origin", "host", "trusted"),
    [
        (LOCAL, "http://127.0.0.1:7860", "127.0.0.1:7860", True),
        (LOCAL, "http://localhost:7860", "localhost:7860", True),
        (LOCAL, "https://playground.example", "127.0.0.1:7860", True),  # a proxy between
        (LOCAL, "http://localhost:3000", "localhost:7860", False),  # another program of the machine
        (LOCAL, "http://127.0.0.1:3000", "127.0.0.1:7860", False),
        (
            Hosts.of("playground.lan", []),
            "http://playground.lan:3000",
            "playground.lan:7860",
            False,
        ),
        (LOCAL, "https://evil.example", "127.0.0.1:7860", False),
        (LOCAL, "null", "127.0.0.1:7860", False),
        (LOCAL, "file://", "127.0.0.1:7860", False),
        (EVERYWHERE, "https://owner-space.hf.space", "owner-space.hf.space", True),
        (EVERYWHERE, "https://evil.hf.space", "owner-space.hf.space", False),
    ],
)
def test_an_origin_is_ours_or_is_not(hosts: Hosts, origin: str, host: str, trusted: bool) -> None:
    assert hosts.trusts(origin, host) is trusted


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/metrics", "/theme.css"])
def test_an_unknown_host_is_refused_everywhere_but_for_health(
    path: str, http: httpx.Client
) -> None:
    for host, status in (("evil.example", 400), ("playground.example", 200), ("localhost:9", 200)):
        assert http.get(path, headers={"host": host}).status_code == status
    assert http.get("/healthz", headers={"host": "evil.example"}).status_code == 200


def test_other_sites_are_told_nothing_and_may_send_nothing(http: httpx.Client) -> None:
    stranger = {"origin": "https://evil.example"}
    for host in ("playground.example", "localhost"):
        asked = {
            **stranger,
            "host": host,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }
        preflight = http.options("/gradio_api/queue/join", headers=asked)
        read = http.get("/config", headers={**stranger, "host": host})
        call = {"data": ["a", "b", 64, 0, 0, 1, None, "psm"]}
        sent = http.post("/gradio_api/call/complete", json=call, headers={**stranger, "host": host})
        assert (preflight.status_code, sent.status_code) == (405, 403)
        for each in (preflight, read, sent):
            assert not any(name.startswith("access-control") for name in each.headers), each.url


def test_the_pages_own_origin_may_send(http: httpx.Client, page: Page) -> None:
    call = {"data": ["a", "b", 64, 0, 0, 1, None, "psm"]}
    for origin, host in ((page.url, None), ("https://playground.example", "playground.example")):
        headers = {"origin": origin, **({"host": host} if host else {})}
        sent = http.post("/gradio_api/call/complete", json=call, headers=headers)
        assert sent.status_code == 200, sent.text


def test_a_forwarded_name_enters_the_page_only_if_it_is_ours(http: httpx.Client) -> None:
    for name, believed in (("evil.example", False), ("playground.example", True)):
        config = http.get("/config", headers={"x-forwarded-host": name}).json()
        assert (name in config["root"]) is believed


def test_an_ipv6_host_is_served_too() -> None:
    with serving("--host", "::1") as page:
        assert page.url.startswith("http://[::1]:")
        assert httpx.get(f"{page.url}/config").status_code == 200


def test_what_one_caller_sends_stands_in_nobodys_page_or_info(http: httpx.Client) -> None:
    stranger = {"x-gradio-server": "http://stranger.example/"}
    for path in ("/config", "/gradio_api/info", "/gradio_api/openapi.json"):
        assert "stranger.example" not in http.get(path, headers=stranger).text


def test_each_is_told_the_address_by_which_it_came(http: httpx.Client) -> None:
    for name in ("playground.example", "localhost:9999", "playground.example"):
        told = http.get("/gradio_api/info", headers={"host": name}).json()
        snippets = told["named_endpoints"]["/status"]["code_snippets"]
        assert f"http://{name}" in snippets["python"]
