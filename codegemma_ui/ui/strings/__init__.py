"""Every string of the page, from one TOML file per language. Pure, once it is imported.

Errors keep the engine's own message as their detail, under a headline from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from codegemma_ui.settings import Language as Language
from codegemma_ui.ui.strings import files

LANGUAGES: tuple[Language, ...] = get_args(Language)

TABLE = files.read(Path(__file__).parent, LANGUAGES)
"""Key -> the string in each of `LANGUAGES`."""


def text(key: str, language: Language, /, **values: object) -> str:
    """Return one string of the page.

    Args:
        key: a key of `TABLE`.
        language: one of `LANGUAGES`.
        values: the values of the string's `{names}`.
    """
    return template(key, language).format(**values)


def template(key: str, language: Language) -> str:
    """Return one string of the page with its `{names}`, for a script to fill in."""
    return TABLE[key][LANGUAGES.index(language)]


def error_title(code: str, language: Language) -> str:
    """Return the headline of an error; a code without one gets the general headline."""
    return text(f"error_{code}" if f"error_{code}" in TABLE else "error", language)


def error_hint(code: str, language: Language) -> str:
    """Return a translated hint if the page is not in English and there is one; else empty."""
    key = f"hint_{code}"
    return text(key, language) if language != "en" and key in TABLE else ""


def choose_language(requested: str | None, operators: str, accepted: str | None) -> Language:
    """Return the language of a page at its first load.

    Args:
        requested: `?lang=` of the address, if any.
        operators: a language's code, or "auto" for the browser's.
        accepted: the browser's Accept-Language header
            (https://www.rfc-editor.org/rfc/rfc9110#name-accept-language).
    """
    for wish in (requested, operators):
        for language in LANGUAGES:
            if wish and wish.lower().split("-")[0] == language:
                return language
    return _preferred(accepted or "")


def _preferred(accepted: str) -> Language:
    weighed: list[tuple[float, Language]] = []
    for item in accepted.split(","):
        tag, _, weight = item.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language:
                try:
                    weighed.append((float(weight or 1), language))
                except ValueError:
                    continue
    return max(weighed, key=lambda one: one[0], default=(0.0, LANGUAGES[0]))[1]
