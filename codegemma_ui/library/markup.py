"""A program as a small piece of HTML that needs nothing else: the middle marked, in both themes. Pure.

The colours are the page's, each given twice. Where `light-dark()` is not known, the light ones stand, ground
and ink. Elsewhere the theme is told by `color-scheme`; notebooks mark a dark page in other ways, so a rule
for their marks comes with it.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

COLOURS = Path(__file__).parent.parent / "ui" / "static" / "colours.css"

LINES, CHARACTERS = 20, 2000
"""What is shown of each side at most, from the middle on; dots tell of the rest."""

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
    """The three together; only `html.escape` stands between them and the page."""
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
    """The part next to the middle, in whole lines where it has more than one."""
    end = prefix[-CHARACTERS:]
    lines = end.split("\n")
    if end != prefix and len(lines) > 1:
        del lines[0]
    return "\n".join(lines[-LINES:])


def _start(suffix: str) -> str:
    """The part next to the middle, in whole lines where it has more than one."""
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
    """Name -> light and dark, as the page's style sheet says them."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w+);", theme))
        for theme in COLOURS.read_text(encoding="utf-8").split(".dark {")
    )
    return {name: (light[name], dark[name]) for name in dark}
