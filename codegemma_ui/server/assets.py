"""The page's theme, stylesheets and scripts, as Gradio's `launch` takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).parent.parent / "ui" / "static"

# In the order of the cascade.
STYLESHEETS = (
    *("colours.css", "page.css", "workspace.css", "panes.css"),
    *("views.css", "tokens.css", "boundaries.css", "lessons.css", "quiz.css"),
    *("take.css", "comparing.css", "narrow.css"),
)

FIRST_SCRIPT = "editors.js"
"""The others need it as they load. They follow by name: of two that listen to a key, the first one has it."""

_MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
_SANS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "Noto Sans CJK KR",
    "sans-serif",
)


def theme() -> gr.themes.Base:
    """Return Gradio's plainest theme with system fonts; `static/*.css` does the rest."""
    return gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="slate",
        font=_SANS,
        font_mono=_MONOSPACE,
        radius_size="md",
    )


def scripts() -> list[str]:
    """Return our scripts as they appear between the tags; the content policy allows each by its hash."""
    paths = sorted(STATIC.glob("*.js"), key=lambda path: (path.name != FIRST_SCRIPT, path.name))
    return [f"\n{path.read_text(encoding='utf-8')}" for path in paths]


def page_assets() -> dict[str, Any]:
    """Return the theme, stylesheets and scripts as keyword arguments of `launch`."""
    head = "\n".join(f"<script>{script}</script>" for script in scripts())
    return {"theme": theme(), "css_paths": [STATIC / name for name in STYLESHEETS], "head": head}
