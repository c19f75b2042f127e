"""Fake keys and tokens in the environment of a fuzzed page, none of which may be disclosed."""

from __future__ import annotations

import os

from codegemma_ui import secrets

MARK = "of-the-operator-alone"
"""Contained in each of them, so that a part of one is found too."""

PLANTED = {
    name: f"{name.lower().replace('_', '-')}-{MARK}"
    for name in (
        *(each for each in secrets.NAMES if each not in (secrets.LOGIN, secrets.KEYS)),
        *("AWS_SECRET_ACCESS_KEY", "SOMETHING_THAT_WE_DO_NOT_KNOW"),
    )
}
"""Without a login and an API key, which would close the fuzzed routes."""


def found(text: str) -> list[str]:
    """Return the names of the secrets in a text, including the operator's real ones."""
    real = {name: os.environ[name] for name in secrets.NAMES if os.environ.get(name)}
    told = [name for name, value in (PLANTED | real).items() if value in text]
    return told or (["a part of one"] if MARK in text else [])
