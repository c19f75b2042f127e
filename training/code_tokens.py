"""Code tokens: the words, numbers and operators of a text, found by one regular expression.

It never fails: a half-written line, a comment, a docstring, another language all give tokens, in the
order of the text. It knows nothing of Python's grammar; `held_out` asks `ast` and `tokenize` for that.
"""

from __future__ import annotations

import re

CODE_TOKEN = re.compile(
    r"[^\W\d]\w*"  # a name, a keyword, or a word of a string or comment
    r"|\d(?:[eE][-+]\d|[\w.])*"  # a number, its unit or suffix with it
    r'|"""|\'\'\''
    r"|\#+|-{4,}|={4,}|\*{4,}|~{4,}|\.{3,}"  # a drawn rule is one token, however long
    r"|\*\*=?|//=?|>>=?|<<=?|->|[-+*/%&|^@=<>!:]="
    r"|\S"
)
"""One code token. White space, and so indentation, is none."""


def code_tokens(text: str) -> list[str]:
    """The code tokens of a text, in its order."""
    return CODE_TOKEN.findall(text)


def token_spans(text: str) -> list[tuple[int, int]]:
    """Where each code token stands: start and end in characters, the end exclusive."""
    return [match.span() for match in CODE_TOKEN.finditer(text)]
