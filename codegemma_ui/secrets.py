"""The operator's keys and tokens, so that they can be masked wherever words leave the server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

NAMES = (
    *("KAGGLE_KEY", "KAGGLE_API_TOKEN"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN"),
    *("OPENAI_API_KEY", "CODEGEMMA_UI_AUTH", "CODEGEMMA_UI_API_KEY"),
)

SHORTEST = 4
"""Characters; to mask a shorter value would eat ordinary words."""

MASK = "***"


def values(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The values to mask, longest first; of the login the pair and the password."""
    found = set()
    for name in NAMES:
        value = environ.get(name, "")
        found |= {value, value.partition(":")[2]} if name == "CODEGEMMA_UI_AUTH" else {value}
    return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True))


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text without these."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
