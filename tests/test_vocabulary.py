"""Text to ids and back, on the bundled vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegemma_ui import fim
from codegemma_ui.vocabulary import Vocabulary

TEXTS = [
    "",
    "\tx = 1  \r\n\r\n",
    "def 한글():\n    return '😀 café ﷺ'\n",
    "trailing   ",
    "a\x00b",
    "<|fim_middle|> typed by a person <|file_separator|>",
    "<bos><eos>",
]


def test_control_tokens_are_one_token_each(vocabulary: Vocabulary) -> None:
    ids = [vocabulary.control_id(name) for name in fim.FIM_TOKENS]
    assert len(set(ids)) == 4
    assert [vocabulary.token_text(token_id) for token_id in ids] == list(fim.FIM_TOKENS)
    assert vocabulary.stop_ids == {*ids, vocabulary.eos_id}


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_encoding(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_gives_whole_characters_that_join_to_the_text(
    vocabulary: Vocabulary, text: str
) -> None:
    decoder = vocabulary.text_decoder()
    pieces = [decoder.feed(token_id) for token_id in vocabulary.encode(text)]
    assert "".join(pieces) == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)
    assert decoder.flush() == ""


def test_a_character_that_never_became_whole_is_shown_as_such(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode("한")
    assert len(ids) == 3
    decoder = vocabulary.text_decoder()
    assert [decoder.feed(token_id) for token_id in ids[:2]] == ["", ""]
    assert decoder.flush() == "\N{REPLACEMENT CHARACTER}"


def test_control_token_text_typed_by_a_person_stays_text(vocabulary: Vocabulary) -> None:
    controls = {vocabulary.control_id(name) for name in fim.FIM_TOKENS}
    assert not controls & set(vocabulary.encode("x" + "".join(fim.FIM_TOKENS) + "y"))
    prompt = vocabulary.prompt("<|fim_middle|>", "<|fim_suffix|>", 128)
    assert [token_id for token_id in prompt.token_ids if token_id in controls] == [
        vocabulary.control_id(fim.FIM_PREFIX),
        vocabulary.control_id(fim.FIM_SUFFIX),
        vocabulary.control_id(fim.FIM_MIDDLE),
    ]


def test_bos_comes_once_and_first(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("a", "b", 128)
    assert prompt.token_ids[0] == vocabulary.bos_id
    assert prompt.token_ids.count(vocabulary.bos_id) == 1
    assert prompt.text == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


@pytest.mark.parametrize("max_length", [32, 33, 64, 128, 512])
@pytest.mark.parametrize("layout", fim.LAYOUTS)
@pytest.mark.parametrize("unit", ["x = 1\n", "한글 😀 ", "\t\r\n", "<|fim_middle|>"])
def test_a_long_context_is_trimmed_at_its_far_ends(
    vocabulary: Vocabulary, max_length: int, layout: fim.Layout, unit: str
) -> None:
    prefix, suffix = "start " + unit * 400, unit * 400 + " end"
    prompt = vocabulary.prompt(prefix, suffix, max_length, layout)
    kept = {part.role: part.text for part in prompt.segments}
    assert prefix.endswith(kept["prefix"])
    assert suffix.startswith(kept["suffix"])
    assert len(prompt.token_ids) <= max_length - fim.MIN_ROOM
    assert len(prompt.token_ids) >= max_length - fim.MIN_ROOM - 10  # no room is wasted
    assert prompt.trimmed_prefix_tokens == vocabulary.count(prefix) - vocabulary.count(
        kept["prefix"]
    )
    assert prompt.trimmed_prefix_tokens > 0
    assert prompt.trimmed_suffix_tokens > 0
    assert prompt.token_ids[-1] == vocabulary.control_id(fim.FIM_MIDDLE)


def test_what_fits_is_not_trimmed(vocabulary: Vocabulary) -> None:
    prefix = "x = 1\n" * 10
    tokens = vocabulary.count(prefix)
    exact = tokens + 4 + fim.MIN_ROOM
    assert vocabulary.prompt(prefix, "", exact).trimmed_prefix_tokens == 0
    assert vocabulary.prompt(prefix, "", exact - 1).trimmed_prefix_tokens > 0


def test_a_folder_without_a_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Received: .*") as caught:
        Vocabulary(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("layout", ["psm", "spm"])
def test_the_cursor_is_right_after_the_prefix(vocabulary: Vocabulary, layout: fim.Layout) -> None:
    for prefix, suffix in (("import os\n", "\nprint(os.name)\n"), ("", "x"), ("x", ""), ("", "")):
        ids = vocabulary.prompt(prefix, suffix, 128, layout).token_ids
        cursor = vocabulary.cursor(ids)
        assert vocabulary.decode(ids[:cursor]).endswith(prefix)
        assert ids[cursor] in (
            vocabulary.control_id(fim.FIM_SUFFIX),
            vocabulary.control_id(fim.FIM_MIDDLE),
        )
