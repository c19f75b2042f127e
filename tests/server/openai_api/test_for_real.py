"""The bundled model through every route for other tools: the same greedy text as from `/complete`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from gradio_client import Client

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from tests.server.mcp_client import call, text_of
from tests.server.openai_api.clients import client_of
from tests.server.scripted_page import Page, wait_until

PREFIX, SUFFIX = "import ", '\n\nif __name__ == "__main__":\n    sys.exit(0)\n'
ROOM = 24


@pytest.fixture(scope="module")
def real(engine: Page) -> Page:
    wait_until(lambda: httpx.get(f"{engine.url}/healthz").json()["state"] == "ready", 120)
    return engine


@pytest.fixture(scope="module")
def complete(real: Page) -> dict[str, dict]:
    """Return the middles of `/complete`, by layout."""
    client = Client(real.url, verbose=False)

    def last(**asked: object) -> dict:
        return list(client.submit(**asked, max_length=96, api_name="/complete"))[-1]

    return {
        "psm": last(prefix=PREFIX, suffix=SUFFIX),
        "ltr": last(prefix=PREFIX, layout="ltr"),
    }


def test_a_completion_with_a_suffix(real: Page, complete: dict[str, dict]) -> None:
    expected = complete["psm"]
    assert expected["stop_reason"] == "stop_token"
    done = client_of(real).completions.create(
        model="bundled", prompt=PREFIX, suffix=SUFFIX, temperature=0, max_tokens=ROOM, logprobs=2
    )
    [choice] = done.choices
    assert (choice.text, choice.finish_reason) == (expected["middle"], "stop")
    assert done.usage is not None
    assert done.usage.prompt_tokens == expected["prompt_tokens"]
    assert done.usage.completion_tokens == expected["completion_tokens"]
    logprobs = choice.logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or []) == expected["middle"]
    assert logprobs.text_offset == [len(PREFIX)]
    [likeliest] = logprobs.top_logprobs or []
    assert len(likeliest) == 2
    assert likeliest[expected["middle"]] == (logprobs.token_logprobs or [])[0]


def test_a_prompt_alone_is_continued(real: Page, complete: dict[str, dict]) -> None:
    stream = client_of(real).completions.create(
        model="bundled", prompt=PREFIX, temperature=0, max_tokens=ROOM, stream=True
    )
    text = "".join(chunk.choices[0].text for chunk in stream)
    assert text
    assert complete["ltr"]["middle"].startswith(text)


def test_so_are_token_ids(real: Page, vocabulary: Vocabulary) -> None:
    client = client_of(real)
    asked: dict[str, Any] = {
        "model": "bundled",
        "temperature": 0,
        "max_tokens": ROOM,
        "logprobs": 1,
    }
    ids = vocabulary.encode("def add(a, b):\n    return ")
    of_text = client.completions.create(prompt=vocabulary.decode(ids), **asked)
    for prompt in (ids, [[vocabulary.bos_id, *ids]]):
        of_ids = client.completions.create(prompt=prompt, **asked)
        assert of_ids.choices[0].text == of_text.choices[0].text
        assert of_ids.usage == of_text.usage
        assert of_ids.choices[0].logprobs is not None
        assert of_text.choices[0].logprobs is not None
        assert of_ids.choices[0].logprobs.text_offset == of_text.choices[0].logprobs.text_offset


@pytest.mark.parametrize("layout", fim.FIM_LAYOUTS)
def test_a_prompt_with_control_tokens_as_continue_writes_it(
    layout: fim.Layout, real: Page, complete: dict[str, dict]
) -> None:
    prompt = fim.text_of(fim.segments(PREFIX, SUFFIX, layout))
    stops = [*fim.FIM_TOKENS, fim.END_OF_TURN, "<eos>", "\n\n", "\r\n\r\n", "/src/", "```"]
    done = client_of(real).completions.create(
        model="codegemma", prompt=prompt, temperature=0, max_tokens=64, stop=stops
    )
    assert done.usage is not None
    assert done.usage.prompt_tokens == complete["psm"]["prompt_tokens"]
    assert layout != "psm" or done.choices[0].text == complete["psm"]["middle"]


def test_llama_cpps_infill(real: Page, complete: dict[str, dict]) -> None:
    ask = {"input_prefix": "imp", "prompt": "ort ", "input_suffix": SUFFIX, "temperature": 0}
    answer = httpx.post(f"{real.url}/infill", json={**ask, "n_predict": ROOM}, timeout=60).json()
    assert (answer["content"], answer["stop_type"]) == (complete["psm"]["middle"], "eos")
    assert answer["tokens_evaluated"] == complete["psm"]["prompt_tokens"]
    assert answer["tokens_predicted"] == complete["psm"]["completion_tokens"]


def test_the_tool_over_mcp(real: Page, complete: dict[str, dict]) -> None:
    arguments = {"prefix": PREFIX, "suffix": SUFFIX}
    answer = asyncio.run(call(real, arguments))
    assert json.loads(text_of(answer))["middle"] == complete["psm"]["middle"]
