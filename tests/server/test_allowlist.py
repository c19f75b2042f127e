"""Routes that the page does not need are closed; no file of the machine can be read."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import quote, urlsplit

import gradio
import httpx
import pytest

from codegemma_ui.server.allowlist import RouteAllowlist, query_for_gradio
from tests.server.scripted_page import ROOT, Page

TARGETS = {
    "/etc/passwd": b"root:",
    "/proc/self/environ": b"PATH=",
    f"{ROOT}/app.py": b"codegemma_ui.commands.main",
    f"{ROOT}/codegemma_ui/settings.py": b"CODEGEMMA_UI",
    f"{ROOT}/.git/config": b"[core]",
    gradio.__file__: b"import gradio",
}

ROUTES = (
    "/",
    "/static/",
    "/assets/",
    "/svelte/",
    "/file/",
    "/file=",
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/gradio_api/proxy=",
    "/gradio_api/custom_component/1/client/component/",
    "/gradio_api/stream/a/b/c/",
    "/gradio_api/run-history/records/a/b/assets/",
    "/pwa_icon/",
    "/gradio_api/call/complete/",
    "/gradio_api/heartbeat/",
    "/config?deep_link=",
    "/?deep_link=",
)


def spellings(target: str) -> list[str]:
    """Return a file's path in forms that might get past a check."""
    path = target.lstrip("/")
    up = "../" * 14
    return [
        target,
        path,
        up + path,
        quote(up + path, safe=""),
        quote(quote(up + path, safe=""), safe=""),
        up.replace("..", "%2e%2e") + path,
        up.replace("../", "..%2f") + path,
        up.replace("../", "..\\").replace("\\", "%5c") + path,
        "....//" * 14 + path,
        f"js/{up}{path}",
        f"%00/{up}{path}",
        f"{up}{path}%00.png",
        f"file://{target}",
        f"//{path}",
        f"C:{target}",
        f"{target}?x=.png",
        f"/proc/self/root{target}",
        f"~{target}",
    ]


def get(page: Page, path: str) -> tuple[int, bytes]:
    """Send the path unchanged; a higher-level client would normalize it."""
    address = urlsplit(page.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(100_000)
    finally:
        connection.close()


def test_no_file_of_the_machine_can_be_read(page: Page) -> None:
    tried, read = 0, []
    for target, content in TARGETS.items():
        for route in ROUTES:
            for spelling in spellings(target):
                status, body = get(page, route + spelling)
                tried += 1
                if content in body:
                    read.append((status, route + spelling))
    assert read == []
    assert tried == len(TARGETS) * len(ROUTES) * 18


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/gradio_api/runs"),
        ("POST", "/gradio_api/run-history/connect"),
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/upload_progress"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/gradio_api/file=http://127.0.0.1/"),
        ("GET", "/gradio_api/proxy=https://evil.hf.space/"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/vibe-code"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/mcp/"),
        ("POST", "/gradio_api/mcp/"),
        ("POST", "/v1/completions"),
        ("GET", "/v1/models"),
        ("POST", "/infill"),
        ("GET", "/health"),
        ("POST", "/gradio_api/stream/x"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(
    method: str, path: str, http: httpx.Client
) -> None:
    assert http.request(method, path).status_code == 404


def test_another_method_is_no_way_in(http: httpx.Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert http.request(method, "/gradio_api/queue/join").status_code == 405


def test_every_file_that_gradio_ships_is_behind_the_door_of_its_folder() -> None:
    """The pattern of file names must allow every file that the page loads."""
    templates = Path(gradio.__file__).parent / "templates" / "frontend"
    doors = RouteAllowlist()
    for folder in ("assets", "static"):
        for file in (templates / folder).rglob("*"):
            path = f"/{file.relative_to(templates)}"
            assert file.is_dir() or doors.judge("GET", path) == "open", path


def test_nobody_chooses_a_saved_state_or_a_page_of_gradios() -> None:
    assert query_for_gradio(b"lang=ko&__theme=dark") == b"lang=ko&__theme=dark"
    assert query_for_gradio(b"deep_link=../x&lang=ko&page=x") == b"lang=ko"
    assert query_for_gradio(b"lang=ko&p%61ge=x&deep%5flink=x&%70age") == b"lang=ko"
    assert query_for_gradio(b"lang=%ff&a=page&b") == b"lang=%ff&a=page&b"


def test_a_page_that_is_not_there_is_no_server_error(http: httpx.Client) -> None:
    for query in ("page=x", "deep_link=x", "page=%00", "p%61ge=x", "deep%5flink=x", "lang=%ff"):
        assert http.get(f"/?{query}").status_code == 200


def test_nobody_loads_a_model_that_the_operator_did_not_name(http: httpx.Client) -> None:
    """It must fail through the page's own events, whatever their number, and through the API."""
    named = ("hf://evil/model", "kaggle://evil/model/keras/x", "/etc", "code_gemma_9b_en")
    events = http.get("/config").json()["dependencies"]
    chosen = [each for each in events if any(kind == "select" for _, kind in each["targets"])]
    assert len(chosen) >= 3
    for event in chosen:
        for name in named:
            data = [name, None, 64, "en"][: len(event["inputs"])]
            body = {"data": data, "fn_index": event["id"], "session_hash": "visitor"}
            assert http.post("/gradio_api/run/predict", json=body).status_code == 422
    status = http.get("/healthz").json()
    assert status == {"status": "ok", "state": "ready", "queue_length": 0}
