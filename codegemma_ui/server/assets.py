"""The look of the page, as Gradio's `launch` takes it: theme, stylesheets, scripts."""

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
    """Gradio's plainest theme on system fonts; `static/*.css` does the rest."""
    return gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="slate",
        font=_SANS,
        font_mono=_MONOSPACE,
        radius_size="md",
    )


def scripts() -> list[str]:
    """Our scripts, as they stand between the tags; the page's policy allows each by its hash."""
    return [f"\n{path.read_text(encoding='utf-8')}" for path in sorted(STATIC.glob("*.js"))]


def page_assets() -> dict[str, Any]:
    """Our stylesheets and scripts, as `launch` takes them."""
    head = "\n".join(f"<script>{script}</script>" for script in scripts())
    return {"theme": theme(), "css_paths": [STATIC / name for name in STYLESHEETS], "head": head}
