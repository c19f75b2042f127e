"""Parser for a prompt written out with CodeGemma's control tokens by a tool. Pure.

Continue's autocomplete and llama.vscode's OpenAI mode send `<|fim_prefix|>…<|fim_suffix|>…<|fim_middle|>` as
one text (https://github.com/continuedev/continue/blob/main/core/autocomplete/templating/AutocompleteTemplate.ts).
Elsewhere a control token's name in a text stays text; a whole prompt of this shape is unambiguous. It is the
inverse of `fim.segments`.
"""

from __future__ import annotations

import re
from typing import Any

from codegemma_ui import fim
from codegemma_ui.ipc.messages import MAX_PATH_CHARACTERS

_ORDERS = {
    "psm": (fim.FIM_PREFIX, "prefix", fim.FIM_SUFFIX, "suffix"),
    "spm": (fim.FIM_SUFFIX, "suffix", fim.FIM_PREFIX, "prefix"),
}
_PATTERNS = {
    layout: re.compile(
        rf"(?:<bos>)?(?P<before>.*){re.escape(first)}(?P<{one}>.*){re.escape(second)}(?P<{other}>.*)"
        rf"{re.escape(fim.FIM_MIDDLE)}",
        re.DOTALL,
    )
    for layout, (first, one, second, other) in _ORDERS.items()
}
_SIDE_TOKENS = (fim.FIM_PREFIX, fim.FIM_SUFFIX, fim.FIM_MIDDLE)


def read(prompt: str) -> dict[str, Any] | None:
    """Return the sides as fields of `messages.CompletionRequest`; None if it is not such a prompt.

    Before the first side token there may be other files, each ended by `<|file_separator|>`, then the path of
    this file on a line of its own.
    """
    if any(prompt.count(token) != 1 for token in _SIDE_TOKENS):
        return None
    for layout, pattern in _PATTERNS.items():
        found = pattern.fullmatch(prompt)
        if found:
            *files, path = found["before"].split(fim.FILE_SEPARATOR)
            if not _is_path_line(path):
                files, path = [*files, path], ""
            return {
                "prefix": found["prefix"],
                "suffix": found["suffix"],
                "layout": layout,
                "path": path.removesuffix("\n"),
                "files": [{"path": "", "text": text} for text in files if text],
            }
    return None


def _is_path_line(text: str) -> bool:
    line = text.removesuffix("\n")
    return not text or (
        text.endswith("\n") and not set("\r\n") & set(line) and len(line) <= MAX_PATH_CHARACTERS
    )
