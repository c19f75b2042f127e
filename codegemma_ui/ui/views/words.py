"""The strings that the scripts of the views need, sent once for each language of the page."""

from __future__ import annotations

from codegemma_ui.ui.render import escape
from codegemma_ui.ui.strings import Language, template
from codegemma_ui.ui.views import (
    as_json,
    boundaries,
    lessons,
    quiz,
    race,
    suffix,
    take,
    tokens,
    xray,
)

WORDS = tuple(
    sorted(
        {
            key
            for view in (boundaries, lessons, quiz, race, suffix, take, tokens, xray)
            for key in view.WORDS
        }
    )
)
"""Keys of `strings.TABLE`."""


def view(language: Language) -> str:
    """Return the strings as `static/views.js` reads them."""
    words = {key: template(key, language) for key in WORDS}
    return f'<div id="view-words" lang="{language}" hidden>{escape(as_json(words))}</div>'
