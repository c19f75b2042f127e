"""The vocabulary trained on code: control tokens intact, indentation cheap, no loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from codegemma_ui.presets import BUNDLED_FOLDER
from training.tokenizer import train

HERE = Path(__file__)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    folder = tmp_path_factory.mktemp("preset")
    (folder / VOCABULARY_FILE).parent.mkdir(parents=True)
    lines = [line for line in HERE.read_text().split("\n") if line.strip()]
    (folder / VOCABULARY_FILE).write_bytes(train(iter(lines), vocabulary_size=420))
    return Vocabulary(folder)


def test_special_ids_are_gemmas(vocabulary: Vocabulary) -> None:
    pieces = vocabulary._pieces
    assert [pieces.pad_id(), pieces.eos_id(), pieces.bos_id(), pieces.unk_id()] == [0, 1, 2, 3]
    assert [pieces.id_to_piece(id) for id in range(4)] == ["<pad>", "<eos>", "<bos>", "<unk>"]


def test_control_tokens_are_single_tokens(vocabulary: Vocabulary) -> None:
    for name in fim.FIM_TOKENS:
        assert vocabulary._pieces.encode(name) == [vocabulary.control_id(name)]


@pytest.mark.parametrize("spaces", [2, 4, 8, 12, 31])
def test_an_indentation_is_one_token(vocabulary: Vocabulary, spaces: int) -> None:
    bare = vocabulary.count("return")
    assert vocabulary.count(" " * spaces) == 1
    # A four-space indent before a word adds one token, wherever the line is.
    assert vocabulary.count(" " * spaces + "return") == bare + 1
    assert vocabulary.count("\n" + " " * spaces + "return") == bare + 2


def test_the_shipped_vocabulary_has_the_same_cheap_indentation() -> None:
    shipped = Vocabulary(BUNDLED_FOLDER)
    assert shipped.count("    ") == 1
    assert shipped.count("\n    return") == 3


@pytest.mark.parametrize(
    "text", ["\tif x:\r\n", " a  b   c ", "변수 = '값' # 🎉", "x = 1234567890", "\n\n\n", "​"]
)
def test_any_text_comes_back_as_it_was(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_digits_are_tokens_of_their_own(vocabulary: Vocabulary) -> None:
    assert [vocabulary.token_text(id) for id in vocabulary.encode("2024")] == list("2024")
