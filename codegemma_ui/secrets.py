"""The operator's keys and tokens: read as they were meant, and masked wherever words leave the server.

A secret that comes from a file often ends in a line break, which no header can carry and nobody types at a
login. So white space around a secret is dropped for us and for every process we start, and one that no header
or form can carry is refused at the start.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping

from codegemma_ui.errors import BadInput

LOGIN = "CODEGEMMA_UI_AUTH"

KEYS = "CODEGEMMA_UI_API_KEY"
"""One key or several, one a line: any of them opens the endpoints for other tools."""

NAMES = (
    *("KAGGLE_KEY", "KAGGLE_API_TOKEN"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN"),
    *("OPENAI_API_KEY", LOGIN, KEYS),
)

_BESIDE = ("KAGGLE_USERNAME",)
"""Travels in a header beside a secret, and is none."""

SHORTEST = 4
"""Characters; to mask a shorter value would eat ordinary words."""

MASK = "***"


def cleaned(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment whose secrets have no white space around them."""
    found = {name: environ[name].strip() for name in (*NAMES, *_BESIDE) if name in environ}
    if KEYS in found:
        found[KEYS] = "\n".join(lines(found[KEYS]))
    return {**environ, **found}


def lines(value: str) -> tuple[str, ...]:
    """The keys that stand in `CODEGEMMA_UI_API_KEY`, each without white space around it."""
    return tuple(filter(None, map(str.strip, value.replace("\r", "\n").split("\n"))))


def check(environ: Mapping[str, str] = os.environ) -> None:
    """Look at every secret that is set, white space around it aside; the keys, one a line, are `settings`'.

    Raises:
        BadInput: names one that cannot be a secret, and does not show it.
    """
    for name, value in cleaned(environ).items():
        if name == LOGIN:
            wrong = _unusable(value)
        elif name != KEYS and name in (*NAMES, *_BESIDE):
            wrong = _uncarried(value)
        else:
            continue
        if wrong is not None:
            raise BadInput(
                f"{name} must be one line of plain text. Received: one with {wrong} in it.",
                "Set it again, from its source: it may have been copied or pasted with more than itself.",
            )


def _unusable(value: str) -> str | None:
    """What in a secret nobody can type, in words that do not show it."""
    for character in value:
        match unicodedata.category(character):
            case "Cc":
                return "a line break" if character in "\r\n" else "a control character"
            case "Cs":
                return "bytes that are no UTF-8"
        if character == "\ufeff":
            return "a byte-order mark"
    return None


def _uncarried(value: str) -> str | None:
    """What in a secret no HTTP header carries, in words that do not show it."""
    wrong = _unusable(value)
    return wrong or (None if value.isascii() else "a letter that is not ASCII")


def values(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The values to mask, longest first; of the login the pair and the password."""
    found = set()
    given = cleaned(environ)
    for name in NAMES:
        value = given.get(name, "")
        found |= {value, value.partition(":")[2]} if name == LOGIN else {value}
        found |= set(lines(value)) if name == KEYS else set()
    return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True))


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text without these."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
