"""A worker that may have failed on cached compiled programs is restarted once without them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.ipc.messages import Status
from codegemma_ui.settings import Settings
from tests.client.scripted_engine import complete, wait_for
from tests.support import WORKER

DAMAGED = f"""
import json, os, runpy, signal, sys
how, journal = sys.argv[1:3]
sys.argv[1:3] = []
with open(journal, "a") as starts:
    print("without" if "--kept-programs" in sys.argv else "with", file=starts)
if how == "always" or "--kept-programs" not in sys.argv:
    if how == "explained":
        print("Unknown flag in XLA_FLAGS: --x", file=sys.stderr, flush=True)
    if how == "says so":
        print(json.dumps({{"worker": "failed", "code": "load_failed", "message": "no", "hint": "",
                           "suspects_cache": True}}), flush=True)
        sys.exit(1)
    if how != "serves":
        os.kill(os.getpid(), signal.SIGKILL if how == "killed" else signal.SIGSEGV)
if how == "serves" and "--kept-programs" not in sys.argv:
    import threading
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGBUS)).start()
runpy.run_path({str(WORKER)!r}, run_name="__main__")
"""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[str], EngineClient]]:
    """Start a client whose workers fail in a given way; `tmp_path / "starts"` records each start."""
    clients = []

    def start(how: str) -> EngineClient:
        def command(choice: Choice, _: Path) -> list[str]:
            named = ("--preset", choice.preset.name, "--backend", choice.backend)
            return [sys.executable, "-c", DAMAGED, how, str(tmp_path / "starts"), *named]

        client = EngineClient(Settings(backend="jax"), command)
        clients.append(client)
        client.start()
        return client

    yield start
    for client in clients:
        client.close()


def starts(tmp_path: Path) -> list[str]:
    return (tmp_path / "starts").read_text().split()


@pytest.mark.parametrize("how", ["says so", "crashes"])
def test_it_serves_without_them(
    how: str, begin: Callable[[str], EngineClient], tmp_path: Path
) -> None:
    client = begin(how)
    assert complete(client, prefix="x")[-1].event == "done"
    assert starts(tmp_path) == ["with", "without"]
    assert client.status().error is None


def test_after_a_crash_while_serving_the_next_one_is_without_them(
    begin: Callable[[str], EngineClient], tmp_path: Path
) -> None:
    client = begin("serves")
    wait_for(client, "ready")
    deadline = time.monotonic() + 10
    while client.restarts == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert complete(client, prefix="x")[-1].event == "done"
    assert starts(tmp_path) == ["with", "without"]


def test_once_more_is_enough(begin: Callable[[str], EngineClient], tmp_path: Path) -> None:
    status = failed(begin("always"))
    assert status.error is not None
    assert "while loading (exit code -11). It was ended by SIGSEGV." in status.error["message"]
    assert "memory" not in str(status.error)
    assert starts(tmp_path)[:2] == ["with", "without"]


def test_a_kill_is_no_reason(begin: Callable[[str], EngineClient], tmp_path: Path) -> None:
    status = failed(begin("killed"))
    assert starts(tmp_path) == ["with"] * 3
    assert status.error is not None
    assert "the reason is unknown" in status.error["hint"]


def test_what_is_explained_is_not_tried_again(
    begin: Callable[[str], EngineClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--x")
    status = failed(begin("explained"))
    assert starts(tmp_path) == ["with"]
    assert status.error is not None
    assert "Unknown flag in XLA_FLAGS: --x" in status.error["message"]
    assert status.error["hint"].startswith("XLA_FLAGS is set")
    assert os.environ["XLA_FLAGS"] == "--x"


def failed(client: EngineClient) -> Status:
    wait_for(client, "failed")
    return client.status()
