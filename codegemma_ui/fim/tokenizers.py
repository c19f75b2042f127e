"""Detect prompt texts that another program's tokenizer would split differently. Pure.

Another program gets the prompt as text if its tokenizer yields the same token ids, else as token ids. The
reason is then shown in scripts and on the page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from codegemma_ui import fim

Reason = Literal["spelled", "joined", "blocks", "chosen"]

REASONS: dict[Reason, str] = {
    "spelled": "The code contains the name of a special token, which this tokenizer would read as the token.",
    "joined": "Two texts are adjacent, and this tokenizer would split them differently when joined.",
    "blocks": "The code contains the character U+2581, which this tokenizer would read as a space.",
    "chosen": "The middle begins with tokens chosen by hand; as text they might be split differently.",
}
"""Reasons to give a prompt as token ids, for a comment."""

SPECIAL = re.compile(r"<(?:pad|bos|eos|unk|mask)>")
"""Names that transformers and llama.cpp read as tokens anywhere; SentencePiece does not."""

BLOCK = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece's encoding of a space, which its relatives read as one (`Vocabulary.encode` does not)."""


def split_differently(parts: Sequence[fim.Segment], *, special_names: bool = True) -> Reason | None:
    """Return why a tokenizer would split a prompt's text differently, or None.

    The tokenizers of KerasHub, transformers and llama.cpp agree, by test, except for the cases checked here.

    Args:
        parts: segments of the prompt, and the beginning of the middle.
        special_names: whether it also reads the names of `SPECIAL` as tokens.
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
        # A line break merges with line breaks only; other text may merge with what follows.
        if not one.text.endswith("\n") or other.text.startswith("\n"):
            return "joined"
    return None
