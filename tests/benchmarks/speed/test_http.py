"""Completions over HTTP: from the page over the scripted worker, and beside another server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.speed import http_requests, http_visit
from benchmarks.speed.conversation import SubjectFailed
from benchmarks.speed.http_requests import Connection, NotYet
from benchmarks.speed.plan import QUICK
from benchmarks.speed.prompts import Prompt, Prompts
from tests.server.scripted_page import SCRIPTED, serving

SERVER = Path(__file__).parent / "scripted_server.py"
PLAN = replace(QUICK, http_tokens=16, http_pairs=1, http_stream_tokens=4)
PAGE_COMMAND = (sys.executable, "-m", SCRIPTED, "--openai-api", "--port", "0")
SLOW = Prompt("slow 0.002", "", "psm", tuple(range(40)))


@pytest.fixture(scope="module")
def page() -> Iterator[Connection]:
    with serving("--openai-api", SCRIPTED_WORKER="--compiles-s 0.1") as served:
        connection = Connection(served.url)
        http_visit._wait_until_compiled(connection, 30.0)
        yield connection
        connection.close()


@pytest.mark.parametrize("ask", [http_requests.infill, http_requests.v1_completions])
def test_tokens_are_counted_and_timed(page: Connection, ask: http_visit.Ask) -> None:
    timed = ask(page, Prompt("slow 0.05", "", "psm", tuple(range(40))), 8)
    assert timed.tokens == 8
    assert 0 < timed.first_s < timed.whole_s < 5
    assert timed.whole_s - timed.first_s > 0.2  # seven pauses of 50 ms


def test_the_pages_own_api_too(page: Connection) -> None:
    timed = http_requests.complete(page, Prompt("echo this", "", "psm", tuple(range(40))), 16)
    assert timed.tokens == 1
    assert 0 < timed.first_s <= timed.whole_s < 5


def test_one_connection_serves_one_request_after_another(page: Connection) -> None:
    for ask in (http_requests.infill, http_requests.complete, http_requests.v1_completions):
        assert ask(page, Prompt("echo", "", "psm", tuple(range(40))), 16).tokens


def test_a_refusal_is_told_with_the_servers_words(page: Connection) -> None:
    with pytest.raises(SubjectFailed, match=r"/infill answered 400: .*n_predict"):
        http_requests.infill(page, SLOW, -5)


def test_a_server_without_its_model_is_asked_again() -> None:
    with http_visit._peer_process([sys.executable, str(SERVER), "--refuse"], 1, 60.0) as talk:
        connection = Connection(talk.expect("bench", "ready")["url"])
        with pytest.raises(NotYet):
            http_requests.infill(connection, SLOW, 4)


def test_a_server_that_is_gone_is_a_failure() -> None:
    with http_visit._peer_process([sys.executable, str(SERVER)], 1, 60.0) as talk:
        connection = Connection(talk.expect("bench", "ready")["url"])
        assert http_requests.infill(connection, SLOW, 4).tokens == 4
    with pytest.raises(SubjectFailed, match="/infill ended"):
        http_requests.infill(connection, SLOW, 4)


def test_a_visit_asks_both_in_turns(prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "window_text", lambda length, variant: SLOW)
    monkeypatch.setenv("SCRIPTED_WORKER", "--compiles-s 0.1")
    command = [sys.executable, str(SERVER)]
    found = http_visit.visit(PAGE_COMMAND, command, 1, PLAN, prompts, 60.0)
    assert [one.kind for one in found.starts] == ["nothing kept", "programs kept", "peer"]
    assert all(one.first_s > 0 for one in found.starts)
    requests = [one.request for one in found.exchanges]
    for name in ("/infill, 22 in", "/infill, 200 in", "/v1/completions, 22 in"):
        assert requests.count(name) == 1
    assert all(one.ours.tokens == one.peer.tokens == 16 for one in found.exchanges)
    assert [one.server for one in found.together] == ["page", "peer"]
    assert all(one.one > 0 and one.many > 0 for one in found.together)


def test_a_page_that_has_not_told_what_it_compiles_is_not_done(
    page: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = [("loading", None), ("ready", None), ("ready", 0.5)]
    told = [one for one in waits for _ in range(2)] + [("ready", 1.0)]  # asked for errors as well
    statuses = [{"state": state, "warm": warm, "error": None} for state, warm in told]
    monkeypatch.setattr(http_requests, "status", lambda _: statuses.pop(0))
    monkeypatch.setattr(http_visit, "LOOK_S", 0)
    http_visit._wait_until_compiled(page, 30.0)
    assert not statuses


def test_a_model_that_cannot_be_loaded_is_a_failure(
    prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_WORKER", "--fail jax")
    command = [*PAGE_COMMAND, "--backend", "jax"]
    with pytest.raises(SubjectFailed, match="scripted"):
        http_visit.visit(command, command, 1, PLAN, prompts, 60.0)


def test_a_page_that_does_not_start_is_a_failure(prompts: Prompts) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no page today')"]
    with pytest.raises(SubjectFailed, match="no page today"):
        http_visit.visit(command, command, 1, PLAN, prompts, 60.0)
