"""The operator's keys and tokens: normalised on input, and masked in all output.

A secret read from a file often ends in a line break, which no header can carry and no user types at a login.
So white space around a secret is removed for us and for every process we start, and a secret that no header
or form can carry is refused at start-up.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping

from codegemma_ui.errors import BadInput, PlaygroundError, from_dict

LOGIN = "CODEGEMMA_UI_AUTH"

KEYS = "CODEGEMMA_UI_API_KEY"
"""One or several keys, one per line: any of them grants other tools access to the endpoints."""

NAMES = (
    *("KAGGLE_KEY", "KAGGLE_API_TOKEN"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN"),
    *("OPENAI_API_KEY", LOGIN, KEYS),
)

_BESIDE = ("KAGGLE_USERNAME",)
"""Sent in a header beside a secret, but not secret itself."""

SHORTEST = 4
"""Minimum characters: masking shorter values would hit ordinary words."""

MASK = "***"


def cleaned(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose secrets have no surrounding white space."""
    found = {name: environ[name].strip() for name in (*NAMES, *_BESIDE) if name in environ}
    if KEYS in found:
        found[KEYS] = "\n".join(lines(found[KEYS]))
    return {**environ, **found}


def lines(value: str) -> tuple[str, ...]:
    """Return the keys in `CODEGEMMA_UI_API_KEY`, without surrounding white space."""
    return tuple(filter(None, map(str.strip, value.replace("\r", "\n").split("\n"))))


def check(environ: Mapping[str, str] = os.environ) -> None:
    """Check every secret that is set, ignoring surrounding white space; `settings` checks the list of keys.

    Raises:
        BadInput: names an invalid secret, without showing it.
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
                "Set it again, from its source: it may have been copied with additional characters.",
            )


def _unusable(value: str) -> str | None:
    """Describe what cannot be typed in a secret, without showing it."""
    for character in value:
        match unicodedata.category(character):
            case "Cc":
                return "a line break" if character in "\r\n" else "a control character"
            case "Cs":
                return "bytes that are not UTF-8"
        if character == "\ufeff":
            return "a byte-order mark"
    return None


def _uncarried(value: str) -> str | None:
    """Describe what an HTTP header cannot carry in a secret, without showing it."""
    wrong = _unusable(value)
    return wrong or (None if value.isascii() else "a letter that is not ASCII")


def values(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the values to mask, longest first; for the login, the pair and the password."""
    found = set()
    given = cleaned(environ)
    for name in NAMES:
        value = given.get(name, "")
        found |= {value, value.partition(":")[2]} if name == LOGIN else {value}
        found |= set(lines(value)) if name == KEYS else set()
    return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True))


def masked(text: str, secrets: Iterable[str]) -> str:
    """Mask secrets in a text."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def masked_error(error: PlaygroundError) -> PlaygroundError:
    """Return the error with its texts masked: a library may quote an address with a key in it."""
    hidden = values()
    if not hidden:
        return error
    return from_dict({name: masked(text, hidden) for name, text in error.to_dict().items()})
