"""What the bundled model can do, in a few words beside its name, and what CodeGemma can. Pure.

Other models have a card elsewhere; this one is met first, by people who do not know that it is a toy.
"""

from __future__ import annotations

from codegemma_ui import fim
from codegemma_ui.presets import BUNDLED, quality
from codegemma_ui.ui import render
from codegemma_ui.ui.examples import EXAMPLES
from codegemma_ui.ui.strings import Language, text

KNOWN = "python"
"""The one language that it was trained on, as the choice of highlighting names it."""


def ability(preset: str | None, language: Language) -> str:
    """Return what the model of that name can do; empty for any other than the bundled one.

    Args:
        preset: name of the loaded model.
    """
    if preset != BUNDLED:
        return ""
    line, rest = map(quality.exact_match, ("single_line", "rest_of_line"))
    return text("ability", language, line=f"{line:.1%}", rest=f"{rest:.0%}")


def wrong_language(preset: str | None, highlighted: str, language: Language) -> str:
    """Return a warning if the code is in a language that the model does not know; else empty.

    Args:
        preset: name of the loaded model.
        highlighted: the language that the code is highlighted as; empty for plain text.
    """
    wrong = preset == BUNDLED and highlighted != KNOWN
    return text("only_python", language) if wrong else ""


def contrast(prefix: str, suffix: str, language: Language) -> str:
    """Return CodeGemma 2B's answer to these texts in Google's tutorial, as HTML; empty for other texts.

    Args:
        prefix, suffix: the texts of the editors.
    """
    answers = (one.codegemma for one in EXAMPLES if (one.prefix, one.suffix) == (prefix, suffix))
    answer = next(answers, "")
    if not answer:
        return ""
    code, stop, _ = answer.partition(fim.FILE_SEPARATOR)
    control = f'<code class="role control">{render.escape(stop)}</code>' if stop else ""
    title = render.escape(text("contrast", language))
    return (
        f"<details><summary>{title}</summary>"
        f'<pre tabindex="0" aria-label="{title}"><code>{render.escape(code)}</code>{control}</pre></details>'
    )
