"""Code tokens: the words, numbers and operators of a text, found by one regular expression.

It never fails: incomplete lines, comments, docstrings and other languages all give tokens, in the order of
the text. It does not parse Python; `held_out` uses `ast` and `tokenize` for that.
"""

from __future__ import annotations

import re

CODE_TOKEN = re.compile(
    r"[^\W\d]\w*"  # a name, a keyword, or a word of a string or comment
    r"|\d(?:[eE][-+]\d|[\w.])*"  # a number, with its unit or suffix
    r'|"""|\'\'\''
    r"|\#+|-{4,}|={4,}|\*{4,}|~{4,}|\.{3,}"  # a line of such characters is one token, however long
    r"|\*\*=?|//=?|>>=?|<<=?|->|[-+*/%&|^@=<>!:]="
    r"|\S"
)
"""One code token. White space, including indentation, is not a token."""


def code_tokens(text: str) -> list[str]:
    """Return the code tokens of a text, in order."""
    return CODE_TOKEN.findall(text)


def token_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of each code token, in characters, the end exclusive."""
    return [match.span() for match in CODE_TOKEN.finditer(text)]
