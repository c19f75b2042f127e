"""llama.cpp's `/infill`: requests from llama.vscode, and responses like those of llama.cpp's own server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from codegemma_ui.server.openai_api.neutral import NEUTRAL, NO_EFFECT
from tests.server.scripted_page import ROOT
from tests.support.ports import free_port

CHUNK = {"text": "x = 1\ny = 2\nz = 3\n", "time": 1764100000000, "filename": "/home/ann/a.py"}


def as_llama_vscode(prefix: str, suffix: str = "", **more: object) -> dict:
    """Return llama.vscode's request for a suggestion (`createRequestPayload` in its src/llama-server.ts)."""
    return {
        "id_slot": 0,
        "input_prefix": prefix,
        "input_suffix": suffix,
        "input_extra": [CHUNK],
        "prompt": "",
        "n_predict": 128,
        "n_cmpl": 3,
        "top_k": 40,
        "top_p": 0.99,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "n_indent": 4,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 2500,
        **more,
    }


@pytest.fixture(scope="module")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run llama.cpp's own server with the bundled model."""
    folder = tmp_path_factory.mktemp("gguf")
    command = [sys.executable, "-m", "codegemma_ui", "export", "--format", "gguf"]
    subprocess.run([*command, "--out", str(folder / "out")], cwd=ROOT, check=True, timeout=120)
    [model] = (folder / "out").glob("*.gguf")
    server = subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "tests.completions.snippets.llama_server",
                "--model",
                str(model),
            ),
            *("--host", "127.0.0.1", "--port", str(free_port()), "--ctx-size", "1024"),
            *("--parallel", "1", "--cache-type-k", "f32", "--cache-type-v", "f32"),
        ],
        cwd=Path(ROOT),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        with httpx.Client(base_url=server.stdout.readline().strip(), timeout=60) as client:
            yield client
    finally:
        server.terminate()
        server.wait(20)


def test_the_answer_has_llama_cpps_keys(llama_cpp: httpx.Client, http: httpx.Client) -> None:
    ask = {"input_prefix": "import ", "input_suffix": "\n\nos.getcwd()\n", "n_predict": 4}
    theirs, ours = (each.post("/infill", json=ask).json() for each in (llama_cpp, http))
    assert set(ours) == set(theirs)
    assert set(ours["timings"]) == set(theirs["timings"]) - {"cache_n"}
    for name in set(theirs) - {"generation_settings", "timings"}:
        assert type(ours[name]) is type(theirs[name]), name
    # Its README lists `n_ctx` here, but its server (b11549) returns it only from /props.
    assert set(ours["generation_settings"]) - {"n_ctx"} <= set(theirs["generation_settings"])
    assert ours["generation_settings"]["n_ctx"] == 1024


def test_a_stream_has_its_keys_too(llama_cpp: httpx.Client, http: httpx.Client) -> None:
    ask = {"input_prefix": "import ", "input_suffix": "\n", "n_predict": 4, "stream": True}
    theirs, ours = (
        [
            json.loads(line.removeprefix("data: "))
            for line in each.post("/infill", json=ask).text.splitlines()
            if line
        ]
        for each in (llama_cpp, http)
    )
    assert set(ours[-1]) == set(theirs[-1])
    for name in ("index", "content", "tokens", "stop"):
        assert type(ours[0][name]) is type(theirs[0][name])
    assert [each["stop"] for each in ours] == [False] * (len(ours) - 1) + [True]


def chunks_of(http: httpx.Client, **asked: object) -> list[dict]:
    text = http.post("/infill", json={**asked, "stream": True}).text
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]


def test_a_stream_tells_the_prefill_where_that_is_asked_for(http: httpx.Client) -> None:
    asked = {"input_prefix": "prefill 0.01", "input_suffix": "text"}
    told = chunks_of(http, **asked, return_progress=True)
    before, after = told[:4], told[4:]
    assert after[0]["content"] == "text"
    assert not any("prompt_progress" in each for each in after)
    progress = [each["prompt_progress"] for each in before]
    assert [each["processed"] for each in progress] == [1, 2, 3, 4]
    assert {(each["total"], each["cache"]) for each in progress} == {(5, 1)}
    times = [each["time_ms"] for each in progress]
    assert times == sorted(times)
    assert times[-1] >= 20
    assert {each["content"] for each in before} == {""}
    for quiet in (asked, {**asked, "return_progress": False}):
        assert not any("prompt_progress" in each for each in chunks_of(http, **quiet))


@pytest.mark.parametrize(
    "asked",
    [
        ["content", "timings/prompt_n"],
        ["content", "nothing", "timings/nothing", "content/x", "tokens/0", "", "/content", "stop/"],
        ["nothing"],
        [],
        None,
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_fields_that_are_asked_for_are_llama_cpps(
    asked: list[str] | None, stream: bool, llama_cpp: httpx.Client, http: httpx.Client
) -> None:
    ask = {"input_prefix": "import ", "input_suffix": "\n", "n_predict": 2, "stream": stream}
    ask["response_fields"] = asked
    theirs, ours = (
        json.loads(
            each.post("/infill", json=ask).text.strip().splitlines()[-1].removeprefix("data: ")
        )
        for each in (llama_cpp, http)
    )
    assert set(ours) == set(theirs)


def test_fields_are_told_under_the_names_that_were_asked_for(http: httpx.Client) -> None:
    asked = ["content", "timings/predicted_n", "generation_settings/n_ctx", "truncated", "gone/by"]
    ask = as_llama_vscode("echo", "<middle>", response_fields=asked)
    assert http.post("/infill", json=ask).json() == {
        "content": "<middle>",
        "timings/predicted_n": 1,
        "generation_settings/n_ctx": 1024,
        "truncated": False,
    }
    lines = http.post("/infill", json={**ask, "stream": True}).text.splitlines()
    *parts, last = (json.loads(line.removeprefix("data: ")) for line in lines if line)
    assert "".join(part["content"] for part in parts) == "<middle>"
    assert all(part["stop"] is False for part in parts)
    assert (set(last), last["content"]) == (set(asked) - {"gone/by"}, "")


def test_a_suggestion_of_llama_vscode(http: httpx.Client) -> None:
    answer = http.post("/infill", json=as_llama_vscode("echo", "<middle>")).json()
    assert (answer["content"], answer["stop"], answer["stop_type"]) == ("<middle>", True, "limit")
    assert (answer["tokens_evaluated"], answer["tokens_predicted"]) == (5, 1)
    assert answer["timings"]["predicted_n"] == 1
    assert answer["generation_settings"] == {
        "temperature": 0.8,
        "top_k": 40,
        "top_p": 0.99,
        "seed": None,
        "n_ctx": 1024,
    }


def test_the_line_of_the_cursor_follows_the_prefix(http: httpx.Client) -> None:
    ask = as_llama_vscode("first\n", prompt="second")
    assert http.post("/infill", json=ask).json()["content"] == "first\nsecond"


def test_what_it_sends_to_have_its_chunks_read(http: httpx.Client) -> None:
    ask = as_llama_vscode("", n_predict=0, samplers=[], t_max_predict_ms=1)
    answer = http.post("/infill", json=ask)
    assert answer.status_code == 200


def test_time_is_up_at_the_first_line_after_it(http: httpx.Client) -> None:
    for suffix, ended in (("a\n", True), ("a", False)):
        ask = as_llama_vscode("slow 0.005", suffix, t_max_predict_ms=40, n_predict=60)
        answer = http.post("/infill", json=ask).json()
        assert (answer["tokens_predicted"] < 60) is ended
        assert answer["has_new_line"] is ended


def test_a_stop_string_is_named(http: httpx.Client) -> None:
    ask = as_llama_vscode("slow 0.001", "ab\n", stop=["\n"], return_tokens=True)
    answer = http.post("/infill", json=ask).json()
    assert (answer["content"], answer["stop_type"], answer["stopping_word"]) == ("ab", "word", "\n")
    assert answer["tokens"] == [100]


def test_the_newest_of_many_chunks_are_kept(http: httpx.Client) -> None:
    chunks = [{"filename": f"{number}.py", "text": "x"} for number in range(16)]
    assert http.post("/infill", json=as_llama_vscode("a", input_extra=chunks)).json()["truncated"]
    assert not http.post("/infill", json=as_llama_vscode("a")).json()["truncated"]


def test_the_newest_of_long_chunks_are_kept(http: httpx.Client) -> None:
    chunks = [{"filename": f"{number}.py", "text": "x" * 150_000} for number in range(2)]
    answer = http.post("/infill", json=as_llama_vscode("a", input_extra=chunks))
    assert answer.status_code == 200
    assert answer.json()["truncated"]


def test_a_file_that_is_too_long_is_cut(http: httpx.Client) -> None:
    answer = http.post("/infill", json=as_llama_vscode("x = 1\n" * 2000, "y = 2\n" * 2000)).json()
    assert answer["truncated"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"grammar": "root ::= x"}, "grammar is not supported"),
        ({"logit_bias": [[1, 1.0]]}, "logit_bias is not supported"),
        ({"lora": [{"id": 0, "scale": 0.5}]}, "lora is not supported"),
        ({"input_extra": ["x"]}, "input_extra must be a list of objects"),
        ({"input_extra": [{"filename": 3}]}, "filename must be a string"),
        ({"input_prefix": 3}, "input_prefix must be a string"),
        ({"n_predict": "x"}, "n_predict must be a whole number"),
        ({"temperature": "x"}, "temperature must be a number"),
        ({"model": "qwen"}, "The model that is served is 'bundled'"),
        ({"json_schema": {}}, "json_schema is not supported"),
        ({"n_probs": 1}, "n_probs is not supported"),
        ({"response_fields": "content"}, "response_fields must be a list of strings"),
        ({"response_fields": ["content", 3]}, "response_fields must be a list of strings"),
        ({"seed": 2**32}, "seed must be a whole number from 0 to 4294967295"),
        ({"seed": -(2**31) - 1}, "seed must be a whole number"),
        ({"top_k": 1.5}, "top_k must be a whole number"),
    ],
)
def test_what_is_wrong_is_said(given: dict, said: str, http: httpx.Client) -> None:
    answer = http.post("/infill", json=as_llama_vscode("a", **given))
    assert answer.status_code == (404 if "model" in given else 400)
    assert said in answer.json()["error"]["message"]


def test_seeds_that_mean_any(http: httpx.Client) -> None:
    for seed in (-1, 2**32 - 1, 7):
        assert http.post("/infill", json=as_llama_vscode("a", seed=seed)).status_code == 200


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seed": 2**32 - 2}, {"seed": 2**32 - 2}),
        ({"seed": -2}, {"seed": 2**32 - 2}),
        ({"seed": -(2**31)}, {"seed": 2**31}),
        *(({"seed": drawn}, {"seed": None}) for drawn in (-1, -1.0, 2**32 - 1, None)),
        *(({"top_k": off}, {"top_k": 0}) for off in (-1, 0, -1.0)),
        ({"top_k": None}, {"top_k": 40}),
    ],
)
def test_numbers_mean_what_they_mean_to_llama_cpp(
    given: dict, told: dict, http: httpx.Client
) -> None:
    answer = http.post("/infill", json=as_llama_vscode("a", **given)).json()
    assert answer["generation_settings"].items() >= told.items()


@pytest.mark.parametrize("path", ["/infill", "/v1/completions"])
def test_options_that_ask_for_nothing_are_taken(path: str, http: httpx.Client) -> None:
    neutral = {name: values[0] for name, values in NEUTRAL.items() if values}
    no_effect = dict.fromkeys(NO_EFFECT, 1) | {
        "samplers": ["top_k", "top_p"],
        "seed": -1,
        "top_k": -1,
    }
    given = {**neutral, **no_effect, "t_max_predict_ms": 2500}
    for options in (given, dict.fromkeys(given), {"repetition_penalty": 1.0, "logit_bias": []}):
        answer = http.post(path, json={"prompt": "hello", **options})
        assert answer.status_code == 200, answer.text
