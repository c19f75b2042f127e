"""Train the SentencePiece vocabulary.

    python -m training.tokenizer --folder build/training

Two facts determine whether indented code takes few tokens. SentencePiece replaces every space by U+2581
before it matches pieces, so runs of spaces must be user-defined pieces of U+2581: raw spaces never match. And
it trains on lines, so that newlines must be user-defined too.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import sentencepiece

from codegemma_ui import fim
from training.corpus import load

VOCABULARY_SIZE = 8192
CHARACTERS = 30_000_000
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"

# In CodeGemma's order; its ids are 67 to 70, these are 4 to 7.
CONTROL = (fim.FIM_PREFIX, fim.FIM_MIDDLE, fim.FIM_SUFFIX, fim.FILE_SEPARATOR)
WHITESPACE = (
    *("\n" * length for length in range(1, 5)),
    *("\t" * length for length in range(1, 9)),
    *(SPACE * length for length in range(2, 32)),
)


def train(
    lines: Iterator[str], vocabulary_size: int = VOCABULARY_SIZE, across_words: bool = False
) -> bytes:
    """Train a BPE model on lines of text.

    Args:
        lines: text without newlines.
        vocabulary_size: total number of pieces, including control pieces and 256 bytes.
        across_words: whether a piece may span single spaces and punctuation (` for i in range(`); never a
            line's end or a run of spaces. Source: arXiv 2405.08704, of code completion by a small model.

    Returns:
        The serialised SentencePiece model: pad 0, eos 1, bos 2, unk 3, then the control pieces.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type="bpe",
        vocab_size=vocabulary_size,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        normalization_rule_name="identity",
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=[*CONTROL, *WHITESPACE],
        character_coverage=0.9995,
        split_by_whitespace=not across_words,
        split_by_unicode_script=not across_words,
        max_sentence_length=1000,
        num_threads=2,
        minloglevel=1,
    )
    return model.getvalue()


def sample(corpus: Path, characters: int = CHARACTERS) -> Iterator[str]:
    """Yield lines of all packages evenly: files spread over the corpus."""
    total = corpus.stat().st_size
    every = max(1, total // characters)
    for number, file in enumerate(load(corpus)):
        if number % every == 0:
            yield from (line for line in file.text.split("\n") if line.strip())


def main() -> None:
    """Write `FOLDER/vocabulary.spm`, and print how many characters of held-out text a token has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--size", type=int, default=VOCABULARY_SIZE, help="number of pieces")
    parser.add_argument("--across-words", action="store_true", help="pieces may span spaces")
    parser.add_argument("--characters", type=int, default=CHARACTERS, help="of text to learn from")
    given = parser.parse_args()
    corpus = given.folder / "corpus"
    model = train(sample(corpus / "train.jsonl", given.characters), given.size, given.across_words)
    (given.folder / "vocabulary.spm").write_bytes(model)
    print(f"{characters_a_token(model, corpus / 'held_out.jsonl'):.3f} characters a token")


def characters_a_token(model: bytes, corpus: Path) -> float:
    """Return how many characters of a corpus one token has."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    characters = tokens = 0
    for file in load(corpus):
        characters += len(file.text)
        tokens += len(processor.encode(file.text.replace(" ", SPACE)))
    return characters / tokens


if __name__ == "__main__":
    main()
