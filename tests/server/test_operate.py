"""Operation: health, metrics, login, log, and shutdown."""

from __future__ import annotations

import base64
import json
import logging
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from prometheus_client.parser import text_string_to_metric_families

from codegemma_ui import secrets
from codegemma_ui.ipc.messages import STATES, Status
from codegemma_ui.server import health
from codegemma_ui.server.login import Login
from codegemma_ui.server.logs import JsonLines
from tests.server.scripted_page import CANARY, SPELLING_WORKER, Page, serving, wait_until

SECRET = "hush-hush-hush"


def complete(url: str, prefix: str, **named: object) -> dict:
    """Send one request, as curl would, and read the whole response."""
    call = {"prefix": prefix, **named}
    with httpx.Client(base_url=url, timeout=30) as client:
        event = client.post("/gradio_api/call/v2/complete", json=call).json()["event_id"]
        stream = client.get(f"/gradio_api/call/complete/{event}").text
    updates = [part.partition("data: ")[2] for part in stream.split("\n\n") if "data: [" in part]
    return json.loads(updates[-1])[0]


def counts(url: str) -> dict[str, float]:
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return {
        sample.name + "".join(sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("state", STATES)
def test_health_is_bad_only_when_it_cannot_come_up(state: str) -> None:
    code, body = health.report(Status(state=state, queue_length=3))  # type: ignore[arg-type]
    assert code == (503 if state == "failed" else 200)
    assert (body["state"], body["queue_length"]) == (state, 3)


def test_health_follows_the_worker() -> None:
    with serving(SCRIPTED_WORKER="--load-s 4") as page:
        first = httpx.get(f"{page.url}/healthz")
        assert first.status_code == 200
        assert first.json()["state"] in ("starting", "loading", "warming")
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")


def test_health_tells_that_it_cannot_come_up_and_no_more() -> None:
    with serving(SCRIPTED_WORKER="--die tensorflow") as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").status_code == 503)
        body = httpx.get(f"{page.url}/healthz").json()
        assert 0 < body.pop("retry_in_s") <= 30
        assert body == {
            "status": "failed",
            "state": "failed",
            "queue_length": 0,
            "error": "load_failed",
        }


def test_metrics_count_what_happened(page: Page) -> None:
    before = counts(page.url)
    assert complete(page.url, "hello")["event"] == "done"
    assert complete(page.url, "hello", max_length=5)["code"] == "bad_input"
    httpx.get(f"{page.url}/nowhere")
    after = counts(page.url)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    name = "codegemma_ui_"
    assert grown(f"{name}requests_totalmax_length") == 1
    assert grown(f"{name}requests_totalbad_input") == 1
    assert grown(f"{name}tokens_total") == 1
    assert grown(f"{name}time_to_first_token_seconds_count") == 1
    assert grown(f"{name}http_refusals_total404") == 1
    assert (after[f"{name}queue_length"], after[f"{name}stateready"]) == (0, 1)
    assert after[f"{name}worker_restarts_total"] == 0


def test_metrics_count_restarts_and_the_time_between_tokens() -> None:
    with serving("--metrics") as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        assert complete(page.url, "crash")["code"] == "worker_died"
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        assert complete(page.url, "x")["event"] == "done"
        with httpx.Client(base_url=page.url) as client:  # a caller that disconnects during it
            call = {"prefix": "slow"}
            event = client.post("/gradio_api/call/v2/complete", json=call).json()["event_id"]
            with client.stream("GET", f"/gradio_api/call/complete/{event}") as stream:
                for line in stream.iter_lines():
                    if '"xxx' in line:
                        break
        wait_until(lambda: "codegemma_ui_requests_totalabandoned" in counts(page.url))
        after = counts(page.url)
        assert after["codegemma_ui_worker_restarts_total"] == 1
        assert after["codegemma_ui_requests_totalworker_died"] == 1
        assert after["codegemma_ui_inter_token_seconds_count"] >= 2


def test_metrics_are_closed_unless_asked_for() -> None:
    with serving() as page:
        assert httpx.get(f"{page.url}/metrics").status_code == 404


def test_the_login_compares_pairs() -> None:
    login = Login("ann", "pass:wörd")
    assert login("ann", "pass:wörd")
    for pair in (("ann", "pass"), ("Ann", "pass:wörd"), ("", ""), ("ann", "\ud800")):
        assert not login(*pair)
    right = base64.b64encode("ann:pass:wörd".encode()).decode()
    assert login.accepts(f"Basic {right}")
    for header in (None, "", "Basic", "Basic !", f"Bearer {right}", "Basic YTpi"):
        assert not login.accepts(header)


def test_a_login_closes_everything_but_health() -> None:
    pair = ("ann", SECRET)
    with serving("--metrics", CODEGEMMA_UI_AUTH=":".join(pair)) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        call = {"data": ["a", "b", 64, 0, 0, 1, None, "psm"]}
        with httpx.Client(base_url=page.url) as http:
            for path in ("/config", "/gradio_api/info", "/metrics", "/gradio_api/queue/status"):
                assert http.get(path).status_code == 401, path
            assert http.get("/gradio_api/queue/data?session_hash=s").status_code == 401
            for path in ("call/complete", "call/status"):
                assert http.post(f"/gradio_api/{path}", json=call).status_code == 401
            for path in ("queue/join", "run/predict"):
                answers = [
                    http.post(
                        f"/gradio_api/{path}",
                        json={"data": [1] * count, "fn_index": number, "session_hash": "s"},
                    ).status_code
                    for number in range(30)
                    for count in range(11)
                ]
                assert set(answers) == {401}
            assert http.get("/metrics", auth=pair).status_code == 200
            wrong = {"username": "ann", "password": "x"}
            assert http.post("/login", data=wrong).status_code == 400
            assert http.post("/login", data={**wrong, "password": SECRET}).status_code == 200
            assert http.post("/gradio_api/call/status", json=call).status_code == 422
            assert http.post("/gradio_api/call/complete", json={"data": ["a"]}).status_code == 200
        client = Client(page.url, auth=pair, verbose=False)
        wait_until(lambda: client.predict(api_name="/status")["state"] == "ready")
        assert SECRET not in page.log()


def test_no_api_leaves_the_page_alone() -> None:
    with serving("--no-api") as page:
        with httpx.Client(base_url=page.url) as http:
            assert http.get("/").status_code == 200
            assert http.get("/gradio_api/info").status_code == 404
            for name in ("complete", "v2/complete", "status"):
                assert http.post(f"/gradio_api/call/{name}", json={"data": []}).status_code == 404
            names = [each["api_name"] for each in http.get("/config").json()["dependencies"]]
            assert "complete" not in names
            assert "status" not in names


def test_the_log_has_a_line_for_each_completion_and_nobodys_text() -> None:
    environ: dict[str, Any] = {
        "KAGGLE_KEY": SECRET,
        "HF_TOKEN": f"hf_{SECRET}",
        "KAGGLE_API_TOKEN": f"t{SECRET}",
    }
    with serving("--log-level", "debug", "--metrics", **environ) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        said = complete(page.url, CANARY, suffix=CANARY)
        assert said["program"] == CANARY * 3
        broken = {"data": [CANARY], "fn_index": 0, "session_hash": CANARY}
        httpx.post(f"{page.url}/gradio_api/queue/join", json=broken)
        paths = ("/", "/config", "/gradio_api/info", "/healthz", "/metrics", f"/?lang={CANARY}")
        answers = [httpx.get(page.url + path).text for path in paths]
        status = Client(page.url, verbose=False).predict(api_name="/status")
        lines = [json.loads(line) for line in page.log().splitlines()]
        assert SECRET not in "".join([*answers, page.log(), str(status), str(said)])
    assert CANARY not in json.dumps(lines)
    [completion] = [line for line in lines if line["message"] == "completion"]
    assert (completion["result"], completion["tokens"]) == ("max_length", 1)
    assert completion["first_token_s"] >= 0
    asked = [line for line in lines if line["message"] == "request"]
    assert all(line["request_id"] and line["status"] for line in asked)
    assert {"/", "/config"} <= {line["path"] for line in asked}


def test_a_secret_is_masked_in_whatever_is_logged() -> None:
    given = {"HF_TOKEN": 'a"b\\c-secret', "CODEGEMMA_UI_AUTH": "ann:passwörd", "KAGGLE_KEY": "no"}
    form = JsonLines(secrets.values(given))
    message = 'token a"b\\c-secret, login ann:passwörd, alone passwörd, no'
    line = form.format(logging.makeLogRecord({"msg": message, "name": "x"}))
    assert json.loads(line)["message"] == "token ***, login ***, alone ***, no"


def test_no_character_of_a_line_moves_a_cursor_or_turns_a_text_around() -> None:
    odd = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    odd += [0xAD, 0x61C, 0x200B, 0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0xFEFF, 0xE0041, 0xD800]
    text = "한 é" + "".join(map(chr, odd))
    fields = {"path": text, "listed": [text], "nested": {text: text}}
    record = {"msg": text, "name": text, "levelname": text, "fields": fields}
    line = JsonLines([f"x{text}"]).format(logging.makeLogRecord({**record, "msg": f"x{text}"}))
    assert [character for character in line if ord(character) in odd and character != " "] == []
    assert "한 é" in line
    told = json.loads(line)
    assert (told["message"], told["path"], told["nested"]) == ("***", text, {text: text})


def test_what_a_caller_asked_for_is_escaped_in_the_log() -> None:
    with serving("--log-level", "info") as page:
        httpx.get(f"{page.url}/%c2%9b31m%e2%80%ae%e2%80%a8{CANARY}")
        wait_until(lambda: CANARY in page.log())  # it is written after the response is sent
        line = next(each for each in page.log().split("\n") if CANARY in each)
    assert json.loads(line)["path"] == f"/\x9b31m\u202e\u2028{CANARY}"
    assert not {"\x9b", "\u202e", "\u2028"} & set(line)


def test_what_a_library_logs_of_an_error_is_its_type_and_place() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        facts = {"msg": "failed", "exc_info": (ValueError, error, error.__traceback__)}
    theirs, ours = (
        JsonLines().format(logging.makeLogRecord({**facts, "name": name}))
        for name in ("asyncio", "codegemma_ui.client.client")
    )
    assert CANARY not in theirs
    assert json.loads(theirs)["error"] == "ValueError"
    assert "test_operate.py" in json.loads(theirs)["frames"][0]
    assert CANARY in json.loads(ours)["traceback"]


def test_a_secret_in_an_error_is_masked_before_it_leaves() -> None:
    """For example, a library quotes an address that contains a key."""
    environ: dict[str, Any] = {"HF_TOKEN": "scripted", "SCRIPTED_WORKER": "--fail tensorflow"}
    with serving(**environ) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").status_code == 503)
        said = complete(page.url, "x")
        status = Client(page.url, verbose=False).predict(api_name="/status")
        assert (said["event"], said["message"]) == ("error", "***")
        assert status["error"]["message"] == "***"
        assert "scripted" not in page.log().replace("scripted_worker", "")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_the_middle_of_everything(sent: signal.Signals) -> None:
    with serving() as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        workers = page.workers()
        assert workers
        with httpx.Client(base_url=page.url, timeout=30) as http:
            call = {"prefix": "slow"}
            events = [
                http.post("/gradio_api/call/v2/complete", json=call).json()["event_id"]
                for _ in range(3)
            ]
            with (
                http.stream("GET", "/gradio_api/heartbeat/listener"),
                http.stream("GET", f"/gradio_api/call/complete/{events[0]}") as stream,
            ):
                next(line for line in stream.iter_lines() if '"x' in line)
                began_s = time.monotonic()
                page.process.send_signal(sent)
                assert page.process.wait(15) == 0
        assert time.monotonic() - began_s < 10
        assert not any(alive(pid) for pid in workers)


def test_a_signal_ends_it_even_where_the_worker_does_not_listen() -> None:
    with serving(SCRIPTED_WORKER_FILE=str(SPELLING_WORKER)) as page:
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "ready")
        workers = page.workers()
        call = {"prefix": "xx" * 20, "temperature": 5.0}  # it sleeps 5 s before each of 20 tokens
        assert httpx.post(f"{page.url}/gradio_api/call/v2/complete", json=call).status_code == 200
        wait_until(lambda: httpx.get(f"{page.url}/healthz").json()["state"] == "busy")
        began_s = time.monotonic()
        page.process.terminate()
        assert page.process.wait(15) == 0
        assert time.monotonic() - began_s < 10
        assert not any(alive(pid) for pid in workers)
