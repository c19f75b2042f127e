"""Proxy variables: the page contacts nothing through them, and errors of those that do name the proxy."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from codegemma_ui.download import error_messages
from codegemma_ui.ipc import parent
from codegemma_ui.machine import proxies
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai import availability, failures
from tests.server.scripted_page import ROOT, serving, wait_until

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SERVER = RemoteServer("http://127.0.0.1:1/v1", timeout_s=5.0, retries=0)
NO_PROXY_ADDRESS = "ftp://bob:hush@proxy"


@pytest.fixture(autouse=True)
def none_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(proxies, "_given", {})


@contextmanager
def proxy(status: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy that responds to everything with a status, or disconnects, and that records requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.path)
            if status is not None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

        do_GET = do_HEAD = do_POST = do_CONNECT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def unused() -> str:
    """Return an address without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def without_socks(folder: Path) -> str:
    """Return a folder for PYTHONPATH that hides the packages for SOCKS."""
    for name in ("socksio", "socks"):
        (folder / f"{name}.py").write_text("raise ImportError('it is not installed')")
    return str(folder)


# The page


def worker_environment(pid: int) -> dict[str, str]:
    listed = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(one.decode().partition("=")[::2] for one in listed if one)


def test_the_page_asks_itself_through_no_proxy() -> None:
    with proxy(502) as (url, asked):
        environ: dict[str, Any] = {
            "http_proxy": url,
            "HTTPS_PROXY": url,
            "ALL_PROXY": url,
            "NO_PROXY": "example.com",
        }
        with serving("--mcp", **environ) as page, httpx.Client(trust_env=False) as http:
            health = f"{page.url}/healthz"
            wait_until(lambda: http.get(health).json()["state"] == "ready")
            call = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "complete", "arguments": {"prefix": "echo", "suffix": "abc"}},
            }
            accepted = {"accept": "application/json, text/event-stream"}
            answer = http.post(f"{page.url}/gradio_api/mcp/", json=call, headers=accepted)
            assert "abc" in answer.text
            [worker] = page.workers()
            given = worker_environment(worker)
    assert asked == []
    assert {name: given.get(name) for name in environ} == environ  # its children may use it
    assert "no_proxy" not in given


@pytest.mark.parametrize(
    "environ",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:1080"},
        {
            "http_proxy": ":::://",
            "HTTPS_PROXY": NO_PROXY_ADDRESS,
            "no_proxy": "[::1",
            # the one that Gradio uses
            "GRADIO_SERVER_NAME": "192.0.2.1",
            "GRADIO_SERVER_PORT": "none",
            "GRADIO_DEBUG": "1",
            "GRADIO_NUM_WORKERS": "2",
        },
    ],
    ids=["socks", "malformed"],
)
def test_the_page_starts_whatever_is_set(environ: dict[str, Any], tmp_path: Path) -> None:
    with serving(**environ, PYTHONPATH=without_socks(tmp_path)) as page:
        assert httpx.get(f"{page.url}/healthz", trust_env=False).status_code == 200
        given = worker_environment(page.workers()[0])
        assert [given.get(name) for name in environ if "proxy" in name.lower()] == [
            value for name, value in environ.items() if "proxy" in name.lower()
        ]


def test_what_a_process_starts_is_given_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxies.of("http://other.example") is not None
    for _ in range(2):  # the second time forgets nothing
        proxies.never_asked()
    try:
        assert proxies.of("http://other.example") is None
        given = parent.environment()
    finally:
        del os.environ["no_proxy"]
    assert (given["NO_PROXY"], given["http_proxy"]) == ("example.com", "http://proxy:3128")
    assert "no_proxy" not in given


# Choice of the proxy


@pytest.mark.parametrize(
    ("environ", "url", "said"),
    [
        ({}, "http://a.example", None),
        ({"http_proxy": "http://p:1"}, "http://a.example", "http_proxy (http://p:1)"),
        ({"http_proxy": "http://p:1"}, "http://127.0.0.1:8000/v1", "http_proxy (http://p:1)"),
        ({"http_proxy": "http://p:1"}, "https://a.example", None),
        ({"HTTPS_PROXY": "p:1"}, "https://a.example", "HTTPS_PROXY (http://p:1)"),
        (
            {"http_proxy": "http://p:1", "HTTP_PROXY": "http://q"},
            "http://a",
            "http_proxy (http://p:1)",
        ),
        ({"ALL_PROXY": "socks5h://p:1080"}, "https://a.example", "ALL_PROXY (socks5h://p:1080)"),
        (
            {"all_proxy": "http://p", "https_proxy": "http://q"},
            "https://a",
            "https_proxy (http://q)",
        ),
        ({"http_proxy": "http://p", "no_proxy": "a.example"}, "http://b.a.example:80", None),
        ({"http_proxy": "http://p", "NO_PROXY": "127.0.0.1:8000"}, "http://127.0.0.1:8000", None),
        ({"http_proxy": "http://p", "NO_PROXY": "[::1]"}, "http://[::1]:8000", None),
        ({"http_proxy": "http://p", "NO_PROXY": "::1"}, "http://[::1]:8000", None),
        ({"http_proxy": "http://p", "NO_PROXY": "*"}, "http://a", None),
        ({"http_proxy": "http://bob:hush@p:1"}, "http://a", "http_proxy (http://p:1)"),
        ({"http_proxy": "http://[fd00::1]:3128"}, "http://a", "http_proxy (http://[fd00::1]:3128)"),
        ({"http_proxy": "ftp://bob:hush@p"}, "http://a", "http_proxy (no proxy address)"),
        ({"http_proxy": "http://bob:hush@["}, "http://a", "http_proxy (no proxy address)"),
        ({"http_proxy": "http://p:port"}, "http://a", "http_proxy (no proxy address)"),
    ],
)
def test_the_proxy_of_an_address(
    environ: dict[str, str], url: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = proxies.of(url)
    assert (None if found is None else str(found)) == (said and f"the proxy of {said}")


# Remote server


def problem(place: RemoteServer = SERVER) -> str:
    found = availability.probe(place)
    assert isinstance(found, str)
    assert "hush" not in found
    return found


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    where = unused()
    monkeypatch.setenv("http_proxy", f"http://bob:hush@{where}")
    assert problem().startswith(
        "The server cannot be reached: the request went through the proxy of http_proxy "
        f"(http://{where}), which "
        "failed."
    )
    assert "NO_PROXY" in problem()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert problem() == "The server cannot be reached. Check that it runs, and --openai-base-url."


def test_a_socks_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socksio")
    where = unused()
    monkeypatch.setenv("ALL_PROXY", f"socks5://{where}")
    assert f"through the proxy of ALL_PROXY (socks5://{where}), which failed." in problem()


def test_a_socks_proxy_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://bob:hush@127.0.0.1:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    assert problem().startswith(
        "The server cannot be used: the proxy of ALL_PROXY (socks5://127.0.0.1:1080) needs a package that "
        'is not installed here. pip install "httpx[socks]"'
    )


def test_what_is_no_proxy_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "HTTPS_PROXY", NO_PROXY_ADDRESS
    )  # even without one for this address: a client reads all
    assert problem().startswith("HTTPS_PROXY must be the address of a proxy")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            407,
            "({}) requires a user and password. Set http_proxy to http://user:password@host:port",
        ),
        (403, "The request went through the proxy of http_proxy ({}), which may have answered."),
        (502, "The request went through the proxy of http_proxy ({}), which may have answered."),
        (200, "The request went through the proxy of http_proxy ({}), which may have answered."),
        (None, "through the proxy of http_proxy ({}), which failed."),
    ],
)
def test_a_proxy_that_refuses_is_named(
    status: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(status) as (url, asked):
        monkeypatch.setenv("http_proxy", url)
        assert said.format(url) in problem()
        assert asked[0] == "http://127.0.0.1:1/v1/models"


def test_a_proxy_that_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("http_proxy", url)
        place = RemoteServer(SERVER.base_url, timeout_s=0.2, retries=0)
        assert (
            f"did not answer in time. The request went through the proxy of http_proxy ({url})"
            in problem(place)
        )


def test_a_worker_says_so_in_place_of_dying(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "codegemma_ui", "complete", "--json", "--backend", "openai"),
        *("--openai-base-url", SERVER.base_url, "--openai-retries", "0"),
    ]
    environ = {"ALL_PROXY": "socks5://127.0.0.1:1080", "PYTHONPATH": without_socks(tmp_path)}
    done = subprocess.run(
        command, env=os.environ | environ, cwd=ROOT, capture_output=True, timeout=60
    )
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, "server_absent")
    assert 'pip install "httpx[socks]"' in error["hint"]


def test_another_reason_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert failures.unusable_proxy(ValueError("of something else")) is None


# Downloads


def download(handle: str, folder: Path, **environ: str) -> dict[str, str]:
    """Return the final message of a download from hubs on loopback that are unreachable."""
    hubs = {"HF_ENDPOINT": f"http://{unused()}", "KAGGLE_API_ENVIRONMENT": "TEST"}
    home = {
        "HOME": str(folder),
        "HF_HOME": str(folder / "hf"),
        "KAGGLEHUB_CACHE": str(folder / "k"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "codegemma_ui.download", handle],
        env={**os.environ, "PYTHONPATH": "", **hubs, **home, **environ},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "hush" not in done.stdout + done.stderr
    error = json.loads(done.stdout.splitlines()[-1])
    assert error["code"] == "network"
    return error


HANDLES = ("hf://owner/name", "kaggle://keras/codegemma/keras/code_gemma_2b_en/2")


@pytest.mark.parametrize("handle", HANDLES, ids=["huggingface", "kaggle"])
def test_a_download_names_its_proxy(handle: str, tmp_path: Path) -> None:
    where = unused()
    said = download(handle, tmp_path, http_proxy=f"http://bob:hush@{where}")
    assert (
        f"The request went through the proxy of http_proxy (http://{where}): check that proxy"
        in said["hint"]
    )
    direct = download(
        handle, tmp_path, http_proxy=f"http://{where}", NO_PROXY="127.0.0.1,localhost"
    )
    assert direct["hint"].startswith("Check the internet connection")


@pytest.mark.parametrize(
    ("handle", "package"),
    zip(HANDLES, ("httpx", "requests"), strict=True),
    ids=["huggingface", "kaggle"],
)
def test_a_download_names_what_socks_needs(handle: str, package: str, tmp_path: Path) -> None:
    environ = {
        "ALL_PROXY": "socks5://bob:hush@127.0.0.1:1080",
        "PYTHONPATH": without_socks(tmp_path),
    }
    said = download(handle, tmp_path, **environ)
    assert (
        "the proxy of ALL_PROXY (socks5://127.0.0.1:1080), which needs a package" in said["message"]
    )
    assert said["hint"].startswith(f'pip install "{package}[socks]"')


def test_a_proxy_that_asks_for_a_password_is_named(tmp_path: Path) -> None:
    with proxy(407) as (url, _):
        said = download(HANDLES[0], tmp_path, http_proxy=url)
    assert "HTTP 407" in said["message"]
    assert url in said["hint"]


def test_a_proxy_may_have_cut_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    of = {
        "site": "Kaggle",
        "handle": "h",
        "resumes": "it goes on",
        "address": "https://api.kaggle.com",
    }
    said = error_messages.error_of("connection_lost", of, "a part of it")
    assert said.hint == (
        "Try again: it goes on. The data came through the proxy of https_proxy (http://proxy:3128), which "
        "may have cut it."
    )
