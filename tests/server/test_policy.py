"""The headers of every response, and a policy that runs only the server's own scripts."""

from __future__ import annotations

import httpx
import pytest

from codegemma_ui.server.policy import content_policy


def directives(answer: httpx.Response) -> dict[str, set[str]]:
    listed = answer.headers["content-security-policy"].split("; ")
    return {name: set(values) for name, *values in map(str.split, listed)}


@pytest.mark.parametrize(
    "path", ["/", "/config", "/healthz", "/metrics", "/theme.css", "/nowhere", "/gradio_api/info"]
)
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_headers(path: str, host: str, http: httpx.Client) -> None:
    answer = http.get(path, headers={"host": host})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert len(answer.headers["x-request-id"]) == 12
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "'unsafe-inline'" not in directives(answer)["script-src"]


def test_another_site_may_frame_the_page_on_a_space_alone(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/", "/config", "/nowhere", "/healthz"):
        assert directives(http.get(path))["frame-ancestors"] == {"'self'"}
    monkeypatch.setenv("SPACE_ID", "owner/space")
    assert content_policy().endswith(
        b"frame-ancestors 'self' https://huggingface.co https://*.hf.space"
    )
    monkeypatch.setenv("SPACE_ID", "")
    assert content_policy().endswith(b"frame-ancestors 'self'")


def test_the_page_runs_only_its_own_scripts(http: httpx.Client) -> None:
    policy = directives(http.get("/"))
    assert policy["default-src"] == {"'none'"}
    assert policy["connect-src"] == {"'self'"}
    scripts = policy["script-src"]
    assert {"'self'", "'unsafe-eval'"} <= scripts
    assert not any("http" in source or source == "*" for source in scripts)
    assert len([source for source in scripts if source.startswith("'sha256-")]) > 5


def test_a_script_is_allowed_by_its_text() -> None:
    assert b"'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='" in content_policy(
        [b"doSomething();"]
    )
