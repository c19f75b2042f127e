"""Parsing of a response's pieces, in the three formats that servers use."""

from __future__ import annotations

from typing import Any

import pytest

from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.workers.openai.answers import Reader, ServedToken


def legacy(tokens: list[str], logprobs: list[float], top: list[dict[str, float]]) -> dict[str, Any]:
    return {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": top}


def test_bytes_that_llama_cpp_keeps_to_itself_are_found_again(vocabulary: Vocabulary) -> None:
    text = "한😀<|fi x"
    ids = vocabulary.encode(text)
    reader = Reader(vocabulary, same_ids=True)

    def read(token_id: int, piece: str) -> list[int]:
        """Parse a piece as llama.cpp's server (b11549) sends it: the id of a character's last byte only,
        and no text while it might become a stop string."""
        content = [{"id": token_id, "logprob": -1.0, "top_logprobs": []}]
        return [one.id for one in reader.read({"text": piece, "logprobs": {"content": content}})]

    came = [*read(ids[2], "한"), *read(ids[6], "😀")]
    for token_id, piece in zip(ids[7:], ["", "", "", "<|fi", " x"], strict=True):
        came += read(token_id, piece)
    assert came == ids
    assert vocabulary.decode(came) == text


def test_vllm_names_tokens_by_their_ids(vocabulary: Vocabulary) -> None:
    reader = Reader(vocabulary, same_ids=True)
    logprobs = legacy(["token_id:2105"], [-0.5], [{"token_id:2105": -0.5, "token_id:801": -1.0}])
    choice = {"text": "", "logprobs": logprobs, "token_ids": [2105]}
    assert reader.read(choice) == [ServedToken(2105, -0.5, ((2105, -0.5), (801, -1.0)))]
    assert reader.read({"text": "", "logprobs": None, "token_ids": [7]}) == [ServedToken(7)]


def test_openais_own_way_tells_texts(vocabulary: Vocabulary) -> None:
    reader = Reader(vocabulary, same_ids=False)
    logprobs = legacy(["sys", "<0x41>x"], [-0.5, -3.0], [{"sys": -0.5, "nowhere at all": -9.0}, {}])
    tokens = reader.read({"text": "sys<0x41>x", "logprobs": logprobs})
    assert tokens[0] == ServedToken(2105, -0.5, ((2105, -0.5),))
    assert {one.logprob for one in tokens[1:]} == {None}, "more than one of our tokens"
    assert vocabulary.decode([one.id for one in tokens]) == "sys<0x41>x"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "한글 😀", "a<0x41>", "\ufffd\x00\r\n"])
def test_a_text_alone_is_encoded_and_nothing_of_it_is_lost(
    text: str, vocabulary: Vocabulary
) -> None:
    tokens = Reader(vocabulary, same_ids=False).read({"text": text})
    assert vocabulary.decode([one.id for one in tokens]) == text
    assert {one.logprob for one in tokens} <= {None}


def test_the_name_of_a_control_token_in_an_answer_is_the_token(vocabulary: Vocabulary) -> None:
    tokens = Reader(vocabulary, same_ids=False).read(
        {"text": "sys<|file_separator|>a<|fim_middle|>"}
    )
    ids = [one.id for one in tokens]
    assert ids[0] == 2105
    assert [one for one in ids if one in vocabulary.stop_ids] == [7, 5]


@pytest.mark.parametrize(
    "choice",
    [
        {"text": 3},
        {"text": "", "logprobs": {"content": [{"logprob": -1}]}},
        {"text": "", "logprobs": {"content": [{"id": 10**9}]}},
        {"text": "", "token_ids": ["x"]},
        {"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": []}},
    ],
)
def test_nonsense_is_refused(choice: dict[str, Any], vocabulary: Vocabulary) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        Reader(vocabulary, same_ids=True).read(choice)
