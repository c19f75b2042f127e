"""Switching to a model that must be downloaded first: the real client and download, loopback hubs.

The worker is scripted: messages, kept files and cancellation do not depend on the new model.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from codegemma_ui.client.choice import Choice
from codegemma_ui.client.client import EngineClient
from codegemma_ui.presets import BUNDLED_FOLDER, named
from codegemma_ui.settings import Settings
from tests.support import WORKER
from tests.support.hubs import Faults, KaggleHub, isolate_this_process
from tests.support.hubs.server import TOKEN
from tests.support.switching import (
    CODE_GEMMA,
    MEGABYTE,
    at_rest,
    children,
    complete,
    downloads,
    is_on_the_way,
    is_ready,
    loaded_other_than,
    set_variables,
    wait_for,
)

SECOND_SHARD = "model_00001.weights.h5"
CODE_GEMMA_1_1 = "code_gemma_1.1_2b_en"


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="module")
def running_client(caches: Path) -> Iterator[EngineClient]:
    def command(choice: Choice, folder: Path) -> Sequence[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate_this_process(caches / "client", monkeypatch)
        client = EngineClient(Settings(backend="jax"), command)
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
    return children(str(WORKER))


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
    wait_for(client, lambda status: status.device is None)  # it was detected
    client.cancel_switch()
    assert complete(client).preset == old
    assert len(workers()) == 1
    assert workers() != before


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
