"""Inputs shared by all programs: prompts to complete, and texts to tokenize. Imports no framework."""

from __future__ import annotations

from pathlib import Path

from codegemma_ui.fim import Layout
from codegemma_ui.fim.vocabulary import Prompt, Vocabulary
from tests.workers.keras.decode_prompts import CURSOR, SNIPPETS

NEW_TOKENS = 32

PRESETS = ("one_kv_head", "four_kv_heads", "fim_small")
"""Two of random weights and the bundled one, by the names of their exports."""

NARROWER = ("float16", "bfloat16", "q8_0", "q4_0")
"""Precisions of the bundled model's GGUF files, beside float32."""

_REPOSITORY = Path(__file__).parents[3]
_STRINGS = _REPOSITORY / "codegemma_ui" / "ui" / "strings"

TEXTS = (
    *(
        path.read_text()
        for path in sorted((_REPOSITORY / "codegemma_ui" / "workers" / "keras").glob("*.py"))
    ),
    *((_STRINGS / name).read_text(encoding="utf-8") for name in ("en.toml", "ko.toml")),
    *(" " * spaces + "return x" for spaces in range(70)),
    *("\n" * lines + "\t" * lines + "pass" for lines in range(20)),
    "x =  1\t\t# two spaces  \r\n\r\n\x00",
    "한글 😀 👩‍💻 café ﷺ \u2028 ⟨∀x⟩",
    "a<|fim_prefix|>b<|fim_middle|><|fim_suffix|><|file_separator|>c",
    "<bos> <eos> <unk> <pad> <0xEA>",
    "========--====---  ====______*****",
    "",
)

LOWER_BLOCKS = "\u2581 a lower block is a space to SentencePiece \u2581\u2581"
"""Other programs read spaces here; llama.cpp looks for runs of spaces first and takes it apart otherwise."""


def prompts(vocabulary: Vocabulary) -> list[Prompt]:
    """Return prompts of both layouts."""
    layouts: tuple[Layout, ...] = ("psm", "spm") * 2
    made = []
    for snippet, layout in zip(SNIPPETS[2:6], layouts, strict=True):
        prefix, suffix = snippet.split(CURSOR)
        made.append(vocabulary.prompt(prefix, suffix, 256, layout))
    return made
