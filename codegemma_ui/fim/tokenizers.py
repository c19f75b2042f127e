"""Where another program's tokenizer would make other tokens of a prompt's text. Pure.

Another program is given the prompt as text where its tokenizer makes the same token ids of it, and as token
ids where it does not; why it does not is a reason, which scripts and the page tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from codegemma_ui import fim

Reason = Literal["spelled", "joined", "blocks", "chosen"]

REASONS: dict[Reason, str] = {
    "spelled": "The code spells a special token. It is to stay text, but this tokenizer reads the token.",
    "joined": "Two texts stand side by side, and this tokenizer would read them as one, in other tokens.",
    "blocks": "The code has the character U+2581, which this tokenizer would read as a space.",
    "chosen": "The middle begins with tokens that a person chose; read as text they might be others.",
}
"""Why a prompt is given as token ids, for a comment."""

SPECIAL = re.compile(r"<(?:pad|bos|eos|unk|mask)>")
"""Names that transformers and llama.cpp take for tokens wherever they stand; SentencePiece does not."""

BLOCK = "\N{LOWER ONE EIGHTH BLOCK}"
"""What SentencePiece and its likes write for a space, and read as one (`Vocabulary.encode` does not)."""


def read_otherwise(parts: Sequence[fim.Segment], *, special_names: bool = True) -> Reason | None:
    """Why a tokenizer makes other tokens of a prompt's text, if it does.

    The tokenizers of KerasHub, transformers and llama.cpp part a text alike, by test, but for what is asked
    here.

    Args:
        parts: of the prompt, and what the middle begins with.
        special_names: it takes the names of `SPECIAL` for tokens, too.
    """
    texts = [part.text for part in parts if part.role != "control"]
    if any(len(fim.defuse(text)) > 1 for text in texts):
        return "spelled"
    if special_names and any(SPECIAL.search(text) for text in texts):
        return "spelled"
    if any(BLOCK in text for text in texts):
        return "blocks"
    for one, other in pairwise(parts):
        if "control" in (one.role, other.role) or not other.text:
            continue
        # A line break joins line breaks alone; any other text may join what follows it.
        if not one.text.endswith("\n") or other.text.startswith("\n"):
            return "joined"
    return None
