"""OpenAI's own client: completions whole and streamed, errors in OpenAI's format, and disconnects."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from tests.server.openai_api.clients import KEY, WAITING, client_of, until_free
from tests.server.scripted_page import CANARY, Page, wait_until


def test_the_served_model_is_listed(client: openai.OpenAI) -> None:
    [model] = client.models.list().data
    assert (model.id, model.object) == ("bundled", "model")
    assert client.models.retrieve("bundled") == model
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


def test_a_completion_at_once(client: openai.OpenAI) -> None:
    done = client.completions.create(
        model="bundled", prompt="echo", suffix="x", max_tokens=32, logprobs=2
    )
    [choice] = done.choices
    assert (done.object, done.model) == ("text_completion", "bundled")
    assert done.id.startswith("cmpl-")
    assert (choice.text, choice.index, choice.finish_reason) == ("x", 0, "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["x"]
    assert choice.logprobs.token_logprobs == [-0.5]
    assert choice.logprobs.top_logprobs == [{"x": -0.5}]
    assert choice.logprobs.text_offset == [len("echo")]
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (5, 1)
    assert done.usage.total_tokens == 6


@pytest.mark.parametrize("model", ["bundled", "default", "codegemma", ""])
def test_names_that_mean_the_served_model(model: str, client: openai.OpenAI) -> None:
    assert client.completions.create(model=model, prompt="hello").choices[0].text == "hello"


@pytest.mark.parametrize("prompt", [["hello"], [[300, 301]], [300, 301]])
def test_a_prompt_may_be_a_list(prompt: Any, client: openai.OpenAI) -> None:
    assert client.completions.create(model="bundled", prompt=prompt).choices[0].text is not None


def test_a_stream_is_the_same_in_pieces(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "bundled",
        "prompt": "slow 0.001",
        "suffix": "ab",
        "max_tokens": 20,
    }
    whole = client.completions.create(**asked)
    chunks = list(
        client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    *texts, last, usage = chunks
    assert "".join(chunk.choices[0].text for chunk in texts) == whole.choices[0].text == "ab" * 20
    assert len(texts) > 3
    assert {chunk.choices[0].finish_reason for chunk in texts} == {None}
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_as_bytes(http: httpx.Client) -> None:
    call = {"prompt": "hello", "stream": True}
    answer = http.post("/v1/completions", json=call)
    assert answer.headers["content-type"] == "text/event-stream"
    *events, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    assert all("usage" not in json.loads(event.removeprefix("data: ")) for event in events)


def test_max_tokens_is_sixteen_unless_said(client: openai.OpenAI) -> None:
    done = client.completions.create(model="bundled", prompt="slow 0.001", suffix="a")
    assert (done.choices[0].text, done.choices[0].finish_reason) == ("a" * 16, "length")
    done = client.completions.create(model="bundled", prompt="slow 0.001", suffix="a", max_tokens=3)
    assert (done.choices[0].text, done.choices[0].finish_reason) == ("aaa", "length")


@pytest.mark.parametrize("stop", ["c ab", ["never", "c ab"], ["c", "c ab", "b c abc", "x"]])
def test_a_stop_string_ends_it_and_no_part_of_it_is_streamed(
    stop: Any, client: openai.OpenAI
) -> None:
    asked: dict[str, Any] = {
        "model": "bundled",
        "prompt": "slow 0.001",
        "suffix": "abc ",
        "max_tokens": 50,
    }
    whole = client.completions.create(**asked, stop=stop, logprobs=0).choices[0]
    assert (whole.text, whole.finish_reason) == ("ab", "stop")
    assert whole.logprobs is not None
    assert whole.logprobs.tokens == ["abc "]
    assert whole.logprobs.top_logprobs is None
    chunks = list(client.completions.create(**asked, stop=stop, stream=True))
    assert [chunk.choices[0].text for chunk in chunks] == ["ab", ""]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_logprobs_come_with_the_text_they_belong_to(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "bundled",
        "prompt": "slow 0.001",
        "suffix": "ab",
        "max_tokens": 6,
    }
    text = ""
    offsets: list[int] = []
    for chunk in client.completions.create(**asked, logprobs=1, stop="aba!", stream=True):
        logprobs = chunk.choices[0].logprobs
        assert logprobs is not None
        text += chunk.choices[0].text
        offsets += logprobs.text_offset or []
        assert len("".join(logprobs.tokens or [])) <= len(text)
    assert text == "ab" * 6
    assert offsets == [len("slow 0.001") + 2 * at for at in range(6)]


@pytest.mark.parametrize(
    ("given", "param", "said"),
    [
        ({"n": 2}, "n", "n must be 1"),
        ({"best_of": 3}, "best_of", "best_of must be 1"),
        ({"echo": True}, "echo", "echo must be false"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "must be 0"),
        ({"presence_penalty": -1}, "presence_penalty", "must be 0"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "must be empty"),
        ({"logprobs": 6}, "logprobs", "from 0 to 5. Received: 6"),
        ({"max_tokens": 0}, "max_tokens", "Received: 0"),
        ({"stop": ["x"] * 33}, "stop", "at most 32"),
        ({"stop": [""] * 2 + [3]}, "stop", "stop must be a string or a list"),
        ({"prompt": ["a", "b"]}, "prompt", "prompt must be a string, a list of one string"),
        ({"prompt": None}, "prompt", "Received: None"),
        ({"prompt": [1, 10**9]}, "prompt", "Received: 1000000000"),
        ({"prompt": [1, 2], "suffix": "x"}, "suffix", "suffix needs a prompt of text"),
        ({"prompt": "x = 1\n" * 999}, "prompt", "Received: "),
        ({"stream_options": {"include_usage": True}}, "stream_options", "beside stream: true"),
        ({"temperature": -1}, None, "temperature must be a number from 0 to 5. Received: -1"),
        ({"top_p": 2}, None, "top_p must be"),
        ({"seed": 2**40}, None, "seed must be"),
        ({"suffix": "x" * 200_001}, None, "suffix may have at most"),
        ({"extra_body": {"min_p": 0.1}}, "min_p", "min_p must be 0; no other value is supported"),
        ({"extra_body": {"max_p": 0.1}}, "max_p", "Unknown field. Received: 'max_p'"),
        ({"extra_body": {"repetition_penalty": 1.1}}, "repetition_penalty", "Received: 1.1"),
        ({"extra_body": {"mirostat": 2}}, "mirostat", "mirostat must be 0"),
        ({"extra_body": {"grammar": "root ::= x"}}, "grammar", "grammar must be empty"),
        ({"extra_body": {"json_schema": {}}}, "json_schema", "json_schema must be empty"),
        ({"extra_body": {"response_format": {"type": "json_object"}}}, "response_format", "text"),
        ({"extra_body": {"stop_token_ids": [1]}}, "stop_token_ids", "must be empty; no other"),
        ({"extra_body": {"t_max_predict_ms": "x"}}, "t_max_predict_ms", "a whole number"),
        ({"extra_body": {"top_k": 10**6}}, None, "top_k must be a whole number from 0 to 1000"),
    ],
)
def test_what_is_not_done_is_refused(
    given: dict[str, Any], param: str | None, said: str, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": "bundled", "prompt": "x", **given})
    error = caught.value
    assert (error.type, error.param) == ("invalid_request_error", param)
    assert isinstance(error.body, dict)
    assert said in error.body["message"]


def test_what_changes_nothing_is_taken(client: openai.OpenAI) -> None:
    neutral: dict[str, Any] = {
        "n": 1,
        "best_of": 1,
        "echo": False,
        "presence_penalty": 0,
        "logit_bias": {},
    }
    done = client.completions.create(
        model="bundled", prompt="hello", user="ann", frequency_penalty=0.0, seed=1, **neutral
    )
    assert done.choices[0].text == "hello"


def test_another_model_is_not_served_under_its_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="gpt-4", prompt="x")
    assert caught.value.code == "model_not_found"
    assert isinstance(caught.value.body, dict)
    assert "'bundled'" in caught.value.body["message"]


def test_a_wrong_key_is_refused_before_anything_else(page: Page, http: httpx.Client) -> None:
    for key in ("wrong", "ann:a-password", KEY[:-1], f"{KEY}x", "schlüssel"):
        headers = {b"authorization": f"Bearer {key}".encode()}
        for method, path in (
            ("GET", "/v1/models"),
            ("POST", "/v1/completions"),
            ("POST", "/infill"),
            ("GET", "/v1/nothing"),
        ):
            answer = httpx.request(method, page.url + path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    with pytest.raises(openai.AuthenticationError):
        client_of(page, api_key="wrong").models.list()
    assert httpx.get(f"{page.url}/v1/models", headers={"x-api-key": KEY}).status_code == 200
    assert httpx.get(f"{page.url}/health").status_code == 200
    assert KEY not in page.log()


def test_other_addresses_and_methods_say_what_there_is(http: httpx.Client) -> None:
    for method, path, status in (
        ("POST", "/v1/chat/completions", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/completions", 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/infill", 405),
        ("OPTIONS", "/v1/completions", 405),
        ("POST", "/health", 405),
    ):
        answer = http.request(method, path)
        assert answer.status_code == status, path
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_pages_of_other_sites_may_not_ask(http: httpx.Client) -> None:
    call = {"prompt": "x"}
    for path in ("/v1/completions", "/infill"):
        answer = http.post(path, json=call, headers={"origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert http.post(path, json=call, headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"prompt":NaN}', "application/json", 400),
        (b'{"prompt":"\\ud800"}', "application/json", 400),
        (b'{"prompt":' + b"[" * 99 + b"]" * 99 + b"}", "application/json", 400),
        (b"prompt=x", "application/x-www-form-urlencoded", 415),
        (b'{"prompt":"' + b"x" * 6_000_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_none_is_refused_in_openais_form(
    body: bytes, kind: str, status: int, http: httpx.Client
) -> None:
    for path in ("/v1/completions", "/infill"):
        answer = http.post(path, content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, "bad_body")


def test_a_crowd_is_refused_with_when_to_come_again(page: Page) -> None:
    async def crowd() -> list[object]:
        client = openai.AsyncOpenAI(base_url=f"{page.url}/v1", api_key=KEY, max_retries=0)
        asked: dict[str, Any] = {
            "model": "bundled",
            "prompt": "slow 0.01",
            "suffix": "a",
            "max_tokens": 20,
        }
        async with client:
            calls = [client.completions.create(**asked) for _ in range(24)]
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(crowd())
    served = [each for each in answers if isinstance(each, openai.types.Completion)]
    refused = [each for each in answers if isinstance(each, openai.RateLimitError)]
    assert len(served) == WAITING + 1
    assert len(refused) == 24 - len(served)
    assert {each.choices[0].text for each in served} == {"a" * 20}
    assert all(each.response.headers["retry-after"] == "2" for each in refused)
    assert {each.code for each in refused} == {"queue_full"}
    until_free(page)


def test_openais_client_comes_again_by_itself(page: Page) -> None:
    """Every request succeeds through the client's own retries, at the delay that we send."""

    async def crowd() -> list[openai.types.Completion]:
        client = openai.AsyncOpenAI(base_url=f"{page.url}/v1", api_key=KEY, max_retries=3)
        async with client:
            calls = [client.completions.create(model="default", prompt="hi") for _ in range(12)]
            return await asyncio.gather(*calls)

    assert {each.choices[0].text for each in asyncio.run(crowd())} == {"hi"}


def test_a_stream_that_is_closed_frees_the_engine(page: Page, client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model="bundled", prompt="slow 0.02", max_tokens=500, stream=True
    )
    for _ in range(3):
        next(stream)
    assert httpx.get(f"{page.url}/healthz").json()["state"] == "busy"
    stream.close()
    until_free(page)
    assert client.completions.create(model="bundled", prompt="hi").choices[0].text == "hi"


@pytest.mark.parametrize("path", ["/v1/completions", "/infill"])
def test_so_does_a_caller_who_leaves_before_the_answer(
    path: str, page: Page, http: httpx.Client
) -> None:
    call = {"prompt": "slow 0.02", "max_tokens": 500, "n_predict": 500}
    call = {name: call[name] for name in call if name != ("max_tokens", "n_predict")["v1" in path]}
    with pytest.raises(httpx.ReadTimeout):
        http.post(path, json=call, timeout=0.5)
    until_free(page)


def test_a_caller_who_does_not_read_holds_no_place(page: Page, http: httpx.Client) -> None:
    """Each caller reads only the first bytes of its stream; the engine and the queue stay free."""
    address = urlsplit(page.url)
    asked = {"prompt": "slow 0.0001", "suffix": "import os\n" * 250, "max_tokens": 500}
    body = json.dumps({**asked, "stream": True, "logprobs": 5}).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    callers = [socket.socket() for _ in range(WAITING + 1)]
    try:
        for caller in callers:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.connect((address.hostname, address.port))
            caller.sendall(head.encode() + body)
        for caller in callers:
            assert caller.recv(12) == b"HTTP/1.1 200"
        until_free(page)
        done = http.post("/v1/completions", json={"prompt": "hello"})
        assert done.json()["choices"][0]["text"] == "hello"
    finally:
        for caller in callers:
            caller.close()


def test_a_worker_that_dies_is_told_in_the_stream_and_before_it(
    page: Page, client: openai.OpenAI
) -> None:
    for stream, kind in ((True, openai.APIError), (False, openai.InternalServerError)):
        with pytest.raises(kind) as caught:
            list(client.completions.create(model="default", prompt="crash", stream=stream))
        assert caught.value.code == "worker_died"
        assert getattr(caught.value, "status_code", 503) == 503
        until_free(page)


def test_the_log_has_a_line_for_each_and_nobodys_text(page: Page, client: openai.OpenAI) -> None:
    before = len(page.log())
    client.completions.create(model="default", prompt=CANARY, suffix=CANARY, stop=CANARY + "x")
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model="default", prompt=CANARY, extra_body={CANARY: CANARY})
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model=CANARY, prompt=CANARY)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in page.log()[before:].splitlines()]

    # A line is written once its answer has been sent.
    wait_until(lambda: {line.get("status") for line in lines()} >= {200, 400, 404})
    assert CANARY not in json.dumps(lines())
    assert "completion" in {line["message"] for line in lines()}
