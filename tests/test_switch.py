"""Switching to a model that must be fetched first: the real client, worker and download, loopback hubs.

The hubs serve the bundled preset under other names, so that what arrives is small and really loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import machine
from codegemma_ui.client import EngineClient
from codegemma_ui.messages import DoneEvent, Status
from codegemma_ui.presets import BUNDLED, BUNDLED_FOLDER, named
from codegemma_ui.settings import Settings
from tests.hubs import (
    Faults,
    HuggingFaceHub,
    KaggleHub,
    isolate_this_process,
    isolated_environment,
)
from tests.hubs.server import TOKEN

REPOSITORY = Path(__file__).parents[1]
SECOND_SHARD = "model_00001.weights.h5"
CODE_GEMMA = "code_gemma_2b_en"
CODE_GEMMA_1_1 = "code_gemma_1.1_2b_en"
OPERATORS = "hf://somebody/fim-preset"
DAMAGED = "hf://somebody/damaged-preset"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for every cache. Jax keeps what it compiled there, so that only a first start is slow."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "jax"))
        monkeypatch.setenv("JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS", "0")
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running_client(caches: Path) -> Iterator[EngineClient]:
    settings = Settings(backend="jax", extra_presets=(OPERATORS, DAMAGED))
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate_this_process(caches / "client", monkeypatch)
        client = EngineClient(settings)
        client.start()
        wait_for(client, is_ready)
    yield client
    client.close()
    assert workers() == []


@pytest.fixture
def client(
    running_client: EngineClient, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EngineClient]:
    """One client for all tests, at rest, with empty caches for what it fetches.

    Any model but the one a test switches to may be loaded: to bring the bundled one back each time
    would cost a start of the worker.
    """
    isolate_this_process(Path(tempfile.mkdtemp(dir=caches)), monkeypatch)
    # The names are those of large models, and a small one comes.
    monkeypatch.setattr(machine, "memory_bytes", lambda: (64 * 10**9, 64 * 10**9))
    if running_client.status().state == "failed":
        running_client.switch(preset=BUNDLED)
    wait_for(running_client, is_ready)
    yield running_client
    if running_client.status().state == "downloading":
        running_client.cancel_switch()
    wait_for(running_client, is_ready)


@pytest.fixture
def kaggle(client: EngineClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleHub]:
    """Kaggle with CodeGemma 2B, where the client's downloads look for it."""
    with KaggleHub(BUNDLED_FOLDER) as hub:
        set_variables(monkeypatch, hub.environment())
        yield hub


# While it comes.


def test_the_old_model_serves_while_the_new_one_is_fetched(
    client: EngineClient, kaggle: KaggleHub
) -> None:
    old = loaded_other_than(CODE_GEMMA, client)
    kaggle.faults.bytes_per_second = 3 * MEGABYTE
    with watching(client) as seen:
        client.switch(preset=CODE_GEMMA)
        status = wait_for(client, is_on_the_way)
        assert status.preset == old
        assert status.switching_to == {"preset": CODE_GEMMA, "backend": "jax", "dtype": "auto"}
        assert complete(client).preset == old
        assert client.status().state == "downloading"
        wait_for(client, is_ready)

    states = [state for state, _ in groupby(one.state for one in seen)]
    assert [one for one in states if one not in ("ready", "busy")] == [
        "downloading",
        "loading",
        "warming",
    ]
    progress = [one.progress for one in seen if one.state == "downloading" and one.progress]
    assert progress == sorted(progress)
    assert len({one for one in progress if 0 < one < 1}) >= 3
    assert progress[-1] <= 1

    status = client.status()
    assert status.preset == CODE_GEMMA
    assert status.context_length == 8192
    assert status.switching_to is None
    assert status.error is None
    assert complete(client).preset == CODE_GEMMA
    assert len(workers()) == 1


def test_a_cancelled_download_leaves_the_old_model_and_a_retry_goes_on_from_there(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = loaded_other_than(CODE_GEMMA_1_1, client)
    before = workers()
    handle = named(CODE_GEMMA_1_1).handle
    with KaggleHub(BUNDLED_FOLDER, handle, Faults(bytes_per_second=2 * MEGABYTE)) as hub:
        set_variables(monkeypatch, hub.environment())
        client.switch(preset=CODE_GEMMA_1_1)
        wait_for(client, lambda status: (status.progress or 0) > 0.3)
        assert len(downloads()) == 1

        client.cancel_switch()
        status = wait_for(client, is_ready, timeout_s=2)
        assert status.preset == old
        assert status.error is None
        assert downloads() == []
        assert workers() == before
        assert complete(client).preset == old

        hub.requests.clear()
        client.switch(preset=CODE_GEMMA_1_1)
        first = wait_for(client, is_on_the_way).progress
        assert first is not None
        assert first > 0.25
        status = wait_for(client, is_ready)
        assert len([request for request in hub.requests if request.range]) == 2  # both shards
    assert status.preset == CODE_GEMMA_1_1
    assert status.error is None
    assert complete(client).preset == CODE_GEMMA_1_1
    assert len(workers()) == 1


def test_a_switch_asked_for_in_the_moment_of_its_cancel_is_not_lost(
    client: EngineClient, kaggle: KaggleHub
) -> None:
    loaded_other_than(CODE_GEMMA, client)
    kaggle.faults.bytes_per_second = 2 * MEGABYTE
    client.switch(preset=CODE_GEMMA)
    wait_for(client, is_on_the_way)
    first = downloads()
    client.cancel_switch()
    client.switch(preset=CODE_GEMMA)
    wait_for(client, lambda status: is_on_the_way(status) and downloads() != first)
    assert len(downloads()) == 1


def test_an_old_error_is_gone_as_soon_as_the_next_switch_begins(
    client: EngineClient, kaggle: KaggleHub
) -> None:
    loaded_other_than(CODE_GEMMA, client)
    kaggle.faults = Faults(missing=True)
    client.switch(preset=CODE_GEMMA)
    assert wait_for(client, is_ready).error is not None
    kaggle.faults = Faults(bytes_per_second=2 * MEGABYTE)
    client.switch(preset=CODE_GEMMA)
    assert wait_for(client, is_on_the_way).error is None
    client.cancel_switch()
    assert wait_for(client, is_ready).error is None


def test_an_old_model_that_dies_meanwhile_comes_back_when_the_switch_is_called_off(
    client: EngineClient, kaggle: KaggleHub
) -> None:
    old = loaded_other_than(CODE_GEMMA, client)
    kaggle.faults.bytes_per_second = 1 * MEGABYTE
    client.switch(preset=CODE_GEMMA)
    wait_for(client, is_on_the_way)
    before = workers()
    os.kill(before[0], signal.SIGKILL)
    wait_for(client, lambda status: status.device is None)  # it was noticed
    client.cancel_switch()
    assert complete(client).preset == old
    assert len(workers()) == 1
    assert workers() != before


def test_a_preset_that_the_operator_named_comes_from_hugging_face(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded_other_than(OPERATORS, client)
    with HuggingFaceHub(BUNDLED_FOLDER, OPERATORS) as hub:
        set_variables(monkeypatch, hub.environment())
        client.switch(preset=OPERATORS)
        status = wait_for(client, is_ready)
    assert status.error is None
    assert status.preset == OPERATORS
    assert status.context_length == 1024  # its own fim.json says so
    assert complete(client).preset == OPERATORS


# What goes wrong.


@pytest.mark.parametrize(
    ("faults", "key", "code", "message", "hint"),
    [
        pytest.param(
            Faults(requires_credentials=True),
            None,
            "no_credentials",
            "no key was found",
            "set KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY)",
            id="no credentials",
        ),
        pytest.param(
            Faults(forbidden=True),
            TOKEN,
            "terms_not_accepted",
            "HTTP 403",
            "Open https://www.kaggle.com/models/keras/codegemma",
            id="403",
        ),
        pytest.param(
            Faults(missing=True),
            TOKEN,
            "preset_not_found",
            "HTTP 404 for kaggle://keras/codegemma/keras/code_gemma_2b_en",
            "Check the spelling",
            id="404",
        ),
        pytest.param(
            Faults(cut_after=2 * MEGABYTE),
            None,
            "connection_lost",
            "The connection to Kaggle was lost",
            "it goes on from where it stopped",
            id="cut connection",
        ),
        pytest.param(
            Faults(truncated=SECOND_SHARD),
            None,
            "corrupt_file",
            f"bytes of {SECOND_SHARD}",
            "only that file is fetched again",
            id="truncated file",
        ),
    ],
)
def test_a_failed_download_says_why_and_the_old_model_goes_on(
    client: EngineClient,
    kaggle: KaggleHub,
    monkeypatch: pytest.MonkeyPatch,
    faults: Faults,
    key: str | None,
    code: str,
    message: str,
    hint: str,
) -> None:
    old = loaded_other_than(CODE_GEMMA, client)
    before = workers()
    kaggle.faults = faults
    if key is not None:
        monkeypatch.setenv("KAGGLE_API_TOKEN", key)
    client.switch(preset=CODE_GEMMA)
    status = wait_for(client, is_ready)
    assert status.preset == old
    assert status.error is not None
    assert status.error["code"] == code
    assert message in status.error["message"]
    assert hint in status.error["hint"]
    assert TOKEN not in str(status.error)
    assert complete(client).preset == old
    assert len(before) == 1
    assert workers() == before  # the very same process
    assert downloads() == []


def test_damaged_weights_bring_the_old_model_back(
    client: EngineClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = loaded_other_than(DAMAGED, client)
    before = workers()
    preset = Path(shutil.copytree(BUNDLED_FOLDER, tmp_path / "preset"))
    shard = preset / SECOND_SHARD
    shard.write_bytes(bytes(shard.stat().st_size))
    with HuggingFaceHub(preset, DAMAGED) as hub:
        set_variables(monkeypatch, hub.environment())
        client.switch(preset=DAMAGED)
        status = wait_for(client, is_ready)
    assert status.preset == old
    assert status.error is not None
    assert status.error["code"] == "corrupt_file"
    assert "damaged" in status.error["message"]
    assert complete(client).preset == old
    assert len(workers()) == 1
    assert workers() != before  # it was loaded again


# In the shell.


def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codegemma_ui", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


COMPLETE = ("complete", "--preset", CODE_GEMMA, "--backend", "jax", "--prefix", "import ", "--json")


@pytest.mark.skipif(
    (machine.memory_bytes() or (0, 64e9))[1] < 12.5e9,
    reason="the command refuses CodeGemma 2B where it would not fit",
)
def test_complete_fetches_the_preset_and_completes(tmp_path: Path) -> None:
    with KaggleHub(BUNDLED_FOLDER) as hub:
        done = run(*COMPLETE, environment=isolated_environment(tmp_path, hub))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert events[0]["event"] == "prompt"
    assert events[-1]["event"] == "done"
    assert events[-1]["preset"] == CODE_GEMMA


def test_complete_without_a_key_ends_with_what_to_do(tmp_path: Path) -> None:
    with KaggleHub(BUNDLED_FOLDER, faults=Faults(requires_credentials=True)) as hub:
        done = run(*COMPLETE, environment=isolated_environment(tmp_path, hub))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert [event["event"] for event in events] == ["error"]
    assert events[0]["code"] == "no_credentials"
    assert "KAGGLE_API_TOKEN" in events[0]["hint"]


@pytest.mark.parametrize("key", [None, TOKEN], ids=["without a key", "with a key"])
def test_doctor_asks_for_a_kaggle_key_only_where_none_is_set(
    tmp_path: Path, key: str | None
) -> None:
    environment = isolated_environment(tmp_path)
    if key is not None:
        environment["KAGGLE_API_TOKEN"] = key
    done = run("doctor", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["missing"] for row in json.loads(done.stdout)["presets"]}
    assert any("Kaggle" in line for line in rows[CODE_GEMMA]) == (key is None)
    assert TOKEN not in done.stdout + done.stderr


# What the tests look at.


def is_ready(status: Status) -> bool:
    """At rest: nothing runs, nothing is on its way."""
    return status.state == "ready" and status.switching_to is None


def is_on_the_way(status: Status) -> bool:
    """Some of the download has come, and some has not."""
    return status.state == "downloading" and 0 < (status.progress or 0) < 1


def loaded_other_than(target: str, client: EngineClient) -> str:
    """The name of the model that is loaded, after a switch to the bundled one if it is `target`."""
    if client.status().preset == target:
        client.switch(preset=BUNDLED)
    return str(wait_for(client, is_ready).preset)


def wait_for(
    client: EngineClient, condition: Callable[[Status], bool], timeout_s: float = 40.0
) -> Status:
    deadline = time.monotonic() + timeout_s
    while not condition(status := client.status()):
        assert status.state != "failed", status
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status


@contextlib.contextmanager
def watching(client: EngineClient) -> Iterator[list[Status]]:
    """Every status that a page would see meanwhile, were it to look fifty times a second."""
    seen: list[Status] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.append(client.status())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def complete(client: EngineClient) -> DoneEvent:
    async def last() -> Any:
        raw = {"prefix": "import ", "suffix": "\n\nprint(os.getcwd())\n", "max_length": 64}
        return [event async for event in client.complete(raw)][-1]

    event = asyncio.run(last())
    assert isinstance(event, DoneEvent), event
    return event


def workers() -> list[int]:
    return children("codegemma_ui.engine.worker")


def downloads() -> list[int]:
    return children("codegemma_ui.download")


def children(module: str) -> list[int]:
    """The ids of this process's living children that run `python -m MODULE`."""
    done = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    found = []
    for line in done.stdout.splitlines():
        pid, parent, state, command = line.split(None, 3)
        if int(parent) == os.getpid() and not state.startswith("Z") and f"-m {module}" in command:
            found.append(int(pid))
    return found


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
