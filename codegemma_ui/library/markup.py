"""A program as a self-contained piece of HTML, with the middle highlighted, in both themes. Pure.

The colours are the page's, each given twice. Without support for `light-dark()`, the light ones apply to text
and background. The theme usually follows from `color-scheme`; notebooks mark dark pages in other ways, so a
rule for their markers is included.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

COLOURS = Path(__file__).parent.parent / "ui" / "static" / "colours.css"

LINES, CHARACTERS = 20, 2000
"""Maximum shown of each side, next to the middle; an ellipsis stands for the rest."""

DARK_PAGES = (
    "[data-jp-theme-light=false]",  # JupyterLab and Jupyter Notebook
    ".vscode-dark",  # Visual Studio Code
    "[theme=dark]",  # Google Colab
    "[data-theme=dark]",  # Sphinx and Jupyter Book
)

_STYLE = f"<style>:is({','.join(DARK_PAGES)}) .fim-program{{color-scheme:dark}}</style>"
_PLAIN = "margin:0;padding:0;border:0;background:none;color:inherit;"
_FONT = "font:13px/1.55 monospace;white-space:pre;tab-size:4"
_DOTS = "\N{MIDLINE HORIZONTAL ELLIPSIS}"


def program(prefix: str, middle: str, suffix: str) -> str:
    """Join the three texts; only `html.escape` protects the page from them."""
    before, after = _end(prefix), _start(suffix)
    body = "".join(
        (
            _run("span", "ink-quiet", f"{_DOTS}\n") if before != prefix else "",
            _run("span", "role-prefix", before),
            _run("mark", "role-middle", middle),
            _run("span", "role-suffix", after),
            _run("span", "ink-quiet", f"\n{_DOTS}") if after != suffix else "",
        )
    )
    box = (
        f"{_colour('color', 'ink')}{_colour('background', 'card')}border:1px solid;"
        f"{_colour('border-color', 'line')}border-radius:8px;padding:10px 16px;overflow-x:auto"
    )
    return (
        f'{_STYLE}<div class="fim-program" style="{box}"><pre style="{_PLAIN}">'
        f'<code style="{_PLAIN}{_FONT}">{body}</code></pre></div>'
    )


def _end(prefix: str) -> str:
    """Return the part next to the middle, in whole lines if it has several."""
    end = prefix[-CHARACTERS:]
    lines = end.split("\n")
    if end != prefix and len(lines) > 1:
        del lines[0]
    return "\n".join(lines[-LINES:])


def _start(suffix: str) -> str:
    """Return the part next to the middle, in whole lines if it has several."""
    start = suffix[:CHARACTERS]
    lines = start.split("\n")
    if start != suffix and len(lines) > 1:
        del lines[-1]
    return "\n".join(lines[:LINES])


def _run(tag: str, colour: str, text: str) -> str:
    if not text:
        return ""
    ground = _colour("background", f"{colour}-ground") if tag == "mark" else ""
    return f'<{tag} style="{_colour("color", colour)}{ground}">{html.escape(text)}</{tag}>'


def _colour(attribute: str, name: str) -> str:
    light, dark = _colours()[name]
    return f"{attribute}:{light};{attribute}:light-dark({light},{dark});"


@cache
def _colours() -> dict[str, tuple[str, str]]:
    """Return name -> light and dark colour, from the page's style sheet."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w+);", theme))
        for theme in COLOURS.read_text(encoding="utf-8").split(".dark {")
    )
    return {name: (light[name], dark[name]) for name in dark}
