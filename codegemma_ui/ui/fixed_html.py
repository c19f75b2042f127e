"""The parts of the page that depend on its language alone, as HTML: title, links and Help, the buttons of the
ghost text and of the middle, the notice of a lost server. Pure.
"""

from __future__ import annotations

from codegemma_ui.ui.render import escape
from codegemma_ui.ui.strings import Language, template, text

_KEYS = {
    "complete": "Ctrl+Enter",
    "click": "Ctrl+click",
    "all": "Tab",
    "word": "Ctrl+→",
    "line": "Ctrl+↓",
    "again": "Alt+]",
    "back": "Alt+[",
    "escape": "Esc",
    "leave": "Esc Tab",
    "undo": "Ctrl+Z",
}
_LINKS = {
    "fim": "https://ai.google.dev/gemma/docs/codegemma/keras_quickstart",
    "card": "https://ai.google.dev/gemma/docs/codegemma/model_card",
    "paper": "https://arxiv.org/abs/2406.11409",
}


def header(language: Language) -> str:
    """Return the title of the page, with what `static/names.js` writes beside the editors' names."""
    says = "".join(
        f' data-{name.replace("_", "-")}="{escape(text(f"{name}_says", language))}"'
        for name in ("before", "middle", "after", "stale", "auto_length", "one_line")
    )
    return (
        "<h1>CodeGemma FIM Playground</h1>"
        f'<p lang="{language}"{says}>{escape(text("tagline", language))}</p>'
    )


def links(language: Language) -> str:
    """Return the links in the header and what Help shows; `static/help.js` handles them."""

    def label(key: str) -> str:
        return escape(text(key, language))

    tabs = "".join(
        f'<button type="button" data-open-tab="{tab}">{label(f"tab_{tab}")}</button>'
        for tab in ("lessons", "take")
    )
    keys = "".join(f"<dt>{key}</dt><dd>{label(f'help_{name}')}</dd>" for name, key in _KEYS.items())
    more = "".join(
        f'<li><a href="{address}" target="_blank" rel="noopener noreferrer">'
        f"{label(f'help_{name}')}</a></li>"
        for name, address in _LINKS.items()
    )
    close = label("help_close")
    return (
        f'<nav class="links" aria-label="{label("links")}">{tabs}'
        f'<button type="button" data-help>{label("help")}</button></nav>'
        f'<dialog id="help" aria-label="{label("help")}"><form method="dialog"><button class="close" '
        f'aria-label="{close}" title="{close}">\u00d7</button></form><h2>{label("help")}</h2>'
        f"<p>{label('help_says')}</p><dl>{keys}</dl><ul>{more}</ul></dialog>"
    )


def ghost_buttons(language: Language) -> str:
    """Return the buttons of the ghost text, which `static/ghost.js` and `again.js` handle: accept, dismiss,
    another sample, the former one."""

    def button(action: str, name: str, shown: str, *, disabled: bool = True) -> str:
        title = escape(text(name, language))
        off = " disabled" if disabled else ""
        return f'<button type="button" {action} title="{title}" aria-label="{title}"{off}>{shown}</button>'

    accept, word, line, more = (
        escape(text(f"ghost_{name}", language)) for name in ("all", "word", "line", "again")
    )
    buttons = (
        button('data-ghost="all"', "ghost_all_title", f"{accept}<kbd>Tab</kbd>")
        + button('data-ghost="word"', "ghost_word_title", word)
        + button('data-ghost="line"', "ghost_line_title", line)
        + button('data-ghost="none"', "ghost_none_title", "×")
        + button('data-again="back"', "ghost_back_title", "‹")
        + button('data-again="more"', "ghost_again_title", more, disabled=False)
    )
    says, name = escape(template("ghost_says", language)), escape(text("ghost", language))
    return (
        f'<div class="ghost-buttons" role="group" aria-label="{name}">{buttons}</div>'
        f'<p class="ghost-says" role="status" data-says="{says}"></p>'
    )


def middle_copy(language: Language) -> str:
    """Return the button that copies the middle; `static/middle.js` handles it."""
    copied, by_hand = escape(text("copied", language)), escape(template("copy_by_hand", language))
    label, shown = escape(text("copy_middle", language)), escape(text("copy", language))
    return (
        f'<button type="button" data-copy-middle data-copied="{copied}" data-by-hand="{by_hand}" '
        f'title="{label}" aria-label="{label}">{shown}</button><p role="status"></p>'
    )


def as_i_type(language: Language) -> str:
    """Return the switch for completions at each pause in typing; `static/as_i_type.js` handles it."""
    label, title, says = (
        escape(template(key, language)) for key in ("as_i_type", "as_i_type_title", "key_to_ghost")
    )
    return (
        f'<label class="as-i-type" title="{title}"><input type="checkbox" data-as-i-type> {label}</label>'
        f'<span class="key-to-ghost" title="{says}"></span>'
    )


def connection(language: Language) -> str:
    """Return the notice of a lost server, shown while it is lost with one of the first two paragraphs; the
    last one, after a press of Complete in vain, is shown until the next press (`static/connection.js`)."""
    lost, kept, unkept, unsent = (
        escape(text(key, language)) for key in ("lost", "lost_kept", "lost_unkept", "lost_unsent")
    )
    return (
        f'<div class="notice" role="alert"><strong>{lost}</strong>'
        f'<p class="lost-kept">{kept}</p><p class="lost-unkept">{unkept}</p>'
        f'<p class="lost-unsent">{unsent}</p></div>'
    )
