"""Switching to a model that must be downloaded first: the real client, worker and download, loopback hubs.

The hubs serve the bundled preset under other names, so that the downloaded model is small and can be loaded.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from codegemma_ui import machine
from codegemma_ui.client.client import EngineClient
from codegemma_ui.presets import BUNDLED_FOLDER
from codegemma_ui.settings import Settings
from tests.support.hubs import (
    Faults,
    HuggingFaceHub,
    KaggleHub,
    isolate_this_process,
    isolated_environment,
)
from tests.support.hubs.server import TOKEN
from tests.support.switching import (
    CODE_GEMMA,
    MEGABYTE,
    at_rest,
    children,
    complete,
    is_on_the_way,
    is_ready,
    loaded_other_than,
    set_variables,
    wait_for,
    watching,
)

REPOSITORY = Path(__file__).parents[2]
SECOND_SHARD = "model_00001.weights.h5"
OPERATORS = "hf://somebody/fim-preset"
DAMAGED = "hf://somebody/damaged-preset"


@pytest.fixture(scope="module", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder for every cache. jax keeps compiled programs there, so only the first start is slow."""
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
    with at_rest(running_client, caches, monkeypatch):
        yield running_client


@pytest.fixture
def kaggle(client: EngineClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleHub]:
    """Serve CodeGemma 2B from a loopback Kaggle, where the client's downloads look for it."""
    with KaggleHub(BUNDLED_FOLDER) as hub:
        set_variables(monkeypatch, hub.environment())
        yield hub


def workers() -> list[int]:
    return children("-m codegemma_ui.workers.keras.worker")


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


# On the command line.


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
