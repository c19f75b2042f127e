"""Quote texts for scripts: Python literals, shell words, and JSON in a here-document. Pure.

Any text is restored character by character when the script runs. Unprintable characters (control characters,
bidirectional marks) are escaped, so that a script runs as it reads.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from codegemma_ui.errors import BadInput

WIDTH = 100
"""Maximum line length for token ids and comments."""

_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def python_text(text: str) -> str:
    """Return a Python expression for a text: one literal, or one per line in parentheses.

    Args:
        text: any text without lone surrogates.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    if len(lines) < 2:
        return _literal(text)
    return "(\n" + "".join(f"    {_literal(line)}\n" for line in lines) + ")"


def _literal(text: str) -> str:
    quote = "'" if '"' in text and "'" not in text else '"'
    escaped = "".join(map(_escaped, text))
    return quote + (escaped.replace('"', '\\"') if quote == '"' else escaped) + quote


def _escaped(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def comment(text: str) -> str:
    """Return a sentence of ours as comment lines, for Python and shell."""
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def python_ids(token_ids: Iterable[int]) -> str:
    """Return a Python list of token ids, in lines of at most `WIDTH` characters."""
    return f"[\n{_wrapped(token_ids, '    ')}\n]"


def _wrapped(token_ids: Iterable[int], indent: str) -> str:
    listed = ", ".join(map(str, token_ids))
    return textwrap.fill(listed, WIDTH, initial_indent=indent, subsequent_indent=indent)


def shell_word(text: str) -> str:
    """Return a text as one word of a POSIX shell.

    Raises:
        BadInput: it contains a character that shell words cannot.
    """
    if "\0" in text:
        raise BadInput(
            "A shell word may contain every character but NUL (U+0000). Received: a text with NUL",
            "Remove the NUL from the text.",
        )
    return shlex.quote(text)


def json_object(values: Mapping[str, Any]) -> str:
    """Return a JSON object, one line per key, for a here-document with a quoted delimiter, which expands
    nothing.

    Every line begins with a brace or a blank, so none is the delimiter. Lists of token ids are in lines of at
    most `WIDTH` characters.
    """
    lines = ",\n".join(f"  {_json(key)}: {_json_value(value)}" for key, value in values.items())
    return f"{{\n{lines}\n}}"


def _json_value(value: Any) -> str:
    ids = isinstance(value, list | tuple) and value and all(type(one) is int for one in value)
    return f"[\n{_wrapped(value, '    ')}\n  ]" if ids else _json(value)


def _json(value: Any) -> str:
    encoded = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in encoded
    )


def here_document(text: str, end: str = "JSON") -> str:
    """Return a here-document, from after the command to its delimiter.

    Raises:
        BadInput: a line of the text is the delimiter itself.
    """
    if end in text.split("\n"):
        raise BadInput(
            f"A here-document may contain every line but its delimiter, {end}. Received: that line"
        )
    return f"<<'{end}'\n{text}\n{end}"
