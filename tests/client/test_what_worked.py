"""A choice that loads but never completes a request is replaced by the last one that did."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent
from tests.client.scripted_engine import complete, make_client, wait_for

pytestmark = pytest.mark.usefixtures("every_backend")


@pytest.fixture
def client() -> Iterator[EngineClient]:
    """Return a client that runs jax."""
    client = make_client()
    client.start()
    wait_for(client, "ready")
    yield client
    client.close()


def switch(client: EngineClient, backend: str) -> None:
    client.switch(backend=backend)
    until_it_serves(client, backend)


def until_it_serves(client: EngineClient, backend: str) -> None:
    deadline = time.monotonic() + 10
    while (status := client.status()).switching_to or status.state != "ready":
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    assert client.status().backend == backend


def fails(client: EngineClient, **raw: object) -> ErrorEvent:
    last = complete(client, **raw)[-1]
    assert isinstance(last, ErrorEvent)
    return last


def written_by(client: EngineClient) -> str | None:
    last = complete(client, prefix="x")[-1]
    assert isinstance(last, DoneEvent)
    return last.backend


@pytest.mark.parametrize("failure", ["crash", "oom"])
def test_what_worked_comes_back_and_one_sentence_says_so(
    client: EngineClient, failure: str
) -> None:
    assert written_by(client) == "jax"
    switch(client, "tensorflow")
    told = fails(client, prefix=failure)
    assert told.code == "choice_failed"
    assert "(tensorflow, auto) could not complete anything, so" in told.message
    assert "(jax, auto) is restored." in told.message
    cause = {"crash": "exit code 3", "oom": "not enough memory"}[failure]
    assert cause in told.message
    until_it_serves(client, "jax")
    status = client.status()
    assert status.error == {"code": told.code, "message": told.message, "hint": told.hint}
    assert written_by(client) == "jax"
    assert client.status().error is None  # whoever completes has seen what runs
    assert client.restarts == 0


def test_what_only_served_before_comes_back_too(client: EngineClient) -> None:
    switch(client, "tensorflow")
    assert fails(client, prefix="crash").code == "choice_failed"
    assert written_by(client) == "jax"


def test_the_last_that_worked_is_what_comes_back(client: EngineClient) -> None:
    assert written_by(client) == "jax"
    switch(client, "torch")  # loads, and never gets a request
    switch(client, "tensorflow")
    fails(client, prefix="crash")
    assert written_by(client) == "jax"


def test_a_choice_that_worked_is_started_again(client: EngineClient) -> None:
    assert written_by(client) == "jax"
    switch(client, "tensorflow")
    assert written_by(client) == "tensorflow"
    assert fails(client, prefix="crash").code == "worker_died"
    assert written_by(client) == "tensorflow"
    assert client.restarts == 1


def test_so_is_one_with_nothing_before_it(client: EngineClient) -> None:
    assert fails(client, prefix="crash").code == "worker_died"
    assert written_by(client) == "jax"


def test_it_does_so_each_time_the_choice_is_tried_again(client: EngineClient) -> None:
    switch(client, "tensorflow")
    for _ in range(4):  # more often than a choice that worked is restarted
        assert fails(client, prefix="crash").code == "choice_failed"
        assert written_by(client) == "jax"
        switch(client, "tensorflow")


def test_where_memory_runs_out_only_what_is_not_in_force_is_proposed(client: EngineClient) -> None:
    assert written_by(client) == "jax"
    told = fails(client, prefix="oom", max_length=128)
    assert told.code == "not_enough_memory"
    assert "lower max_length, which is 128" in told.hint.lower()
    assert "bfloat16" in told.hint
    assert "smaller model" not in told.hint  # it is the smallest
    told = fails(client, prefix="oom", max_length=65)
    assert "max_length" not in told.hint
