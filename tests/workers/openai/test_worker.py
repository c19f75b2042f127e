"""The real worker process, as the page sees it: it starts, responds, switches, and reports errors."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from codegemma_ui import presets
from codegemma_ui.client.choice import Choice, worker_command
from codegemma_ui.client.client import EngineClient
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from codegemma_ui.ipc.messages import AS_SERVED, Event, Status
from codegemma_ui.ipc.parent import LineProcess
from codegemma_ui.machine import OPENAI
from codegemma_ui.settings import RemoteServer, Settings
from codegemma_ui.ui.status_line import shown
from codegemma_ui.workers.openai import availability
from tests.support import ROOT, WORKER
from tests.support.events import done_of, error_of
from tests.support.hubs.kaggle import KaggleHub
from tests.support.hubs.server import isolate_this_process

from .odd_server import Odd, odd_server

KEY = "sk-hush-hush"


@contextmanager
def client_of(url: str, backend: str = OPENAI, **given: str) -> Iterator[EngineClient]:
    """Return a client of this server; its other backends are scripted."""
    settings = Settings(backend=backend, server=RemoteServer(url, retries=0), **given)  # type: ignore[arg-type]

    def command(choice: Choice, folder: Path) -> list[str]:
        if choice.backend == OPENAI:
            return [*worker_command(choice, folder, settings), "--look", "0.3"]
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    client = EngineClient(settings, command)
    client.start()
    try:
        yield client
    finally:
        client.close()


def wait_for(client: EngineClient, fits: Callable[[Status], bool]) -> Status:
    until = time.monotonic() + 60
    while not fits(status := client.status()):
        assert time.monotonic() < until, status
        time.sleep(0.02)
    return status


def at_rest(status: Status) -> bool:
    return status.state in ("ready", "failed") and status.switching_to is None


def complete(client: EngineClient, **raw: object) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in client.complete(raw)]

    return asyncio.run(collect())


def test_it_serves_and_says_what_the_server_does_not_do() -> None:
    with odd_server(Odd(pieces=("sy", "s"))) as url, client_of(url) as client:
        status = wait_for(client, at_rest)
        assert (status.state, status.backend, status.dtype) == ("ready", OPENAI, AS_SERVED)
        assert status.lacks == ("logprobs", "stop_probability", "token_ids", "score", "top_k")
        page = shown(status, client.presets(), "en")
        assert "how likely tokens were" in page.notices
        assert "The server chooses the precision" in page.precisions
        assert url not in page.line + page.notices + page.summary
        korean = shown(status, client.presets(), "ko")
        assert "토큰의 확률을 알려 주지 않음" in korean.notices
        done = done_of(complete(client, prefix="import "))
        assert (done.event, done.middle, done.backend) == ("done", "sys", OPENAI)
        scored = error_of(complete(client, prefix="import ", forced="os", score=True))
        assert (scored.event, scored.code) == ("error", "not_supported")
        wait_for(client, lambda now: now.warm == 1.0)


def test_a_switch_to_a_server_that_is_gone_brings_the_old_choice_back() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with client_of(url, backend="jax") as client:
            wait_for(client, at_rest)
            client.switch(backend=OPENAI)
            status = wait_for(client, lambda now: at_rest(now) and now.error is not None)
            assert (status.state, status.backend) == ("ready", "jax")
            assert status.error is not None
            assert status.error["code"] == "server_absent"
            assert complete(client, prefix="hello")[-1].event == "done"


def test_a_switch_to_a_server_and_back() -> None:
    with odd_server(Odd()) as url, client_of(url, backend="jax") as client:
        wait_for(client, at_rest)
        client.switch(backend=OPENAI)
        wait_for(client, lambda now: at_rest(now) and now.backend == OPENAI)
        assert done_of(complete(client, prefix="import ")).backend == OPENAI
        client.switch(backend="jax")
        assert wait_for(client, lambda now: at_rest(now) and now.backend == "jax").lacks == ()


def test_a_server_that_goes_away_while_nobody_asks_is_told() -> None:
    odd = Odd()
    with odd_server(odd) as url, client_of(url) as client:
        before = wait_for(client, lambda now: at_rest(now) and now.warm == 1.0).note
        odd.away = True
        status = wait_for(client, lambda now: "cannot be reached" in (now.note or ""))
        assert "cannot be reached" in shown(status, client.presets(), "en").notices
        odd.away = False
        wait_for(client, lambda now: now.note == before)


def test_a_key_that_is_refused_is_told_and_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with odd_server(Odd(key="sk-the-right-one")) as url, client_of(url) as client:
        status = wait_for(client, at_rest)
        assert status.state == "failed"
        assert status.error is not None
        assert status.error["code"] == "server_key"
        assert "Bearer ***" in status.error["message"]
        assert KEY not in str(status)


def test_an_answer_that_breaks_off_leaves_the_worker_serving() -> None:
    odd = Odd(pieces=("sys",), finish=None)
    with odd_server(odd) as url, client_of(url) as client:
        wait_for(client, at_rest)
        events = complete(client, prefix="import ")
        assert [event.event for event in events] == ["prompt", "token", "error"]
        assert error_of(events).code == "server_broke_off"
        odd.finish = "stop"
        assert complete(client, prefix="import ")[-1].event == "done"
        assert client.restarts == 0


def test_a_closed_tab_leaves_the_server_too() -> None:
    odd = Odd(pieces=("x",) * 2000, pause_s=0.01)

    async def leave(client: EngineClient) -> None:
        stream = client.complete({"prefix": "a", "max_length": 512})
        async for event in stream:
            if event.event == "token":
                break
        await stream.aclose()

    with odd_server(odd) as url, client_of(url) as client:
        wait_for(client, at_rest)
        asyncio.run(leave(client))
        wait_for(client, lambda now: now.state == "ready" and odd.left == 1)


def test_a_server_with_less_room_limits_max_length(llama_cpp: str) -> None:
    with client_of(llama_cpp) as client:
        status = wait_for(client, at_rest)
        assert status.context_length == 512
        assert (status.device, status.parameters) == ("llama.cpp", presets.bundled().parameters)
        refused = error_of(complete(client, prefix="a", max_length=600))
        assert refused.code == "bad_input"


def test_of_a_large_model_the_vocabulary_alone_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegemma_ui.machine.memory_bytes", lambda: (10**6, 10**6))
    with KaggleHub(presets.BUNDLED_FOLDER) as hub, odd_server(Odd()) as url:
        isolate_this_process(tmp_path, monkeypatch, hub)
        with client_of(url, preset="code_gemma_2b_en") as client:
            status = wait_for(client, at_rest)
            assert (status.state, status.preset) == ("ready", "code_gemma_2b_en")
            assert done_of(complete(client, prefix="import ")).middle == "sys"
    fetched = [one.name for one in (tmp_path / "kagglehub").rglob("*") if one.is_file()]
    assert VOCABULARY_FILE.name in fetched
    assert not [name for name in fetched if name.endswith(".h5")]


def test_the_worker_imports_no_framework_and_ends_with_its_line() -> None:
    with odd_server(Odd()) as url:
        choice = Choice(presets.bundled(), OPENAI, "auto")
        command = worker_command(choice, presets.BUNDLED_FOLDER, Settings(server=RemoteServer(url)))
        script = (
            "import sys\n"
            "from codegemma_ui.workers.openai import worker\n"
            "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'gradio'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"
        said: list[dict] = []
        codes: list[int] = []
        process = LineProcess(command, os.environ, said.append, codes.append)
        until = time.monotonic() + 60
        while not any(one.get("worker") == "loaded" for one in said):
            assert time.monotonic() < until
            time.sleep(0.02)
        process.stop(grace_s=20)
        while not codes and time.monotonic() < until:
            time.sleep(0.02)
        assert codes == [0]


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "openai.py").write_text("raise ImportError('no openai here')")
    choice = Choice(presets.bundled(), OPENAI, "auto")
    settings = Settings(server=RemoteServer("http://127.0.0.1:9/v1"))
    said: queue.Queue[dict] = queue.Queue()
    command = worker_command(choice, presets.BUNDLED_FOLDER, settings)
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    process = LineProcess(command, environ, said.put, lambda _: None)
    failed = said.get(timeout=60)
    process.stop()
    assert failed["code"] == "backend_missing"
    assert failed["hint"] == 'pip install -e ".[openai]"'


def test_the_shell_asks_it_too() -> None:
    with odd_server(Odd(pieces=("sys",))) as url:
        flags = ["--backend", "openai", "--openai-base-url", url, "--prefix", "import "]
        done = subprocess.run(
            [sys.executable, "-m", "codegemma_ui", "complete", *flags],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == b"sys"


def test_doctor_looks_for_the_server() -> None:
    def doctor(url: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-m", "codegemma_ui", "doctor", "--json", "--openai-base-url", url],
            cwd=ROOT,
            env={**os.environ, "OPENAI_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert KEY not in done.stdout + done.stderr
        report: dict = json.loads(done.stdout)
        assert report["backends"][-1]["name"] == OPENAI
        return report["server"]

    with odd_server(Odd()) as url:
        found = doctor(url)
    assert (found["model"], found["key"]) == ("odd", True)
    assert "cannot be reached" in str(availability.probe(RemoteServer(url)))


def test_an_unconfigured_server_is_not_offered() -> None:
    client = EngineClient(Settings())
    assert OPENAI not in [one.name for one in client.backends()]
    configured = replace(client.settings, server=RemoteServer("http://127.0.0.1:1/v1"))
    assert EngineClient(configured).backends()[-1].name == OPENAI
