"""Prompt X-ray: the prompt as the model receives it, token by token, with the places in the editors."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

from codegemma_ui.fim.vocabulary import Prompt
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import shell

NAME = "xray"

ROLES = ("bos", "path", "context", "control", "prefix", "suffix")

WORDS = (
    *(f"role_{role}" for role in (*ROLES, "middle", "room")),
    *("xray_token", "xray_place", "xray_cut", "xray_prompt"),
)


def view(prompt: Prompt, prefix: str, suffix: str, max_length: int, language: Language) -> str:
    """Return the view of a prompt.

    Args:
        prefix, suffix: the texts of the editors.
    """
    return shell(NAME, language, facts(prompt, prefix, suffix, max_length))


def facts(prompt: Prompt, prefix: str, suffix: str, max_length: int) -> dict[str, Any]:
    """Return what `static/xray.js` draws.

    Returns:
        `tokens`: `[id, piece, role]` of each, and for the two sides `[…, line, column, line, column]`, its
        start and end in its editor, from 0, columns in UTF-16 units as in a browser. `counts` by role, `room`
        and `max_length` in tokens, and the tokens `trimmed` by role.
    """
    places = {"prefix": Places(prefix), "suffix": Places(suffix)}
    tokens = []
    for token in prompt.tokens:
        cell: list[Any] = [token.id, token.piece, token.role]
        if token.role in places:
            place = places[token.role]
            cell += [*place.of(token.start), *place.of(token.end)]
        tokens.append(cell)
    counts = Counter[str](token.role for token in prompt.tokens)
    trimmed = {
        "prefix": prompt.trimmed_prefix_tokens,
        "suffix": prompt.trimmed_suffix_tokens,
        "context": prompt.trimmed_context_tokens,
    }
    return {
        "tokens": tokens,
        "counts": {role: counts[role] for role in ROLES if counts[role]},
        "room": max_length - len(tokens),
        "max_length": max_length,
        "trimmed": {role: count for role, count in trimmed.items() if count},
    }


class Places:
    """Lines and columns of a text, counted as in an editor and a browser."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0]
        for index, character in enumerate(text):
            if character == "\n":
                self._starts.append(index + 1)

    def of(self, position: int) -> tuple[int, int]:
        """Return line and column, from 0, of the character at a position; columns in UTF-16 units."""
        line = bisect_right(self._starts, position) - 1
        before = self._text[self._starts[line] : position]
        return line, len(before) + sum(character > "\uffff" for character in before)
