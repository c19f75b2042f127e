"""The README and the pages of docs/, for tests that compare them with the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
COMMAND = re.compile(r"(?:python -m codegemma_ui|python app\.py|(?:^|whl )codegemma-ui)(?= |$)")


def text(page: str) -> str:
    """Return a page by its path below the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def every_page() -> str:
    """Return all pages together."""
    return "\n".join(map(text, PAGES))


def section(page: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of its level or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    _, found, rest = f"\n{text(page)}".partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    outside = re.sub(r"```.*?```", lambda block: "\0" * len(block[0]), rest, flags=re.DOTALL)
    following = re.search(rf"^#{{1,{rank}}} ", outside, re.MULTILINE)
    return rest[: following.start()] if following else rest


def blocks(page_text: str, kind: str = r"\w*") -> list[str]:
    """Return the fenced code blocks of a language, indented ones too."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", page_text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def command_lines(page: str) -> Iterator[list[str]]:
    """Return every call of the command line on a page, as its arguments."""
    shown = blocks(text(page), "(?:bash|console)")
    lines = [line for block in shown for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL))
    for line in lines:
        found = COMMAND.search(line := line.replace("\n", " "))
        if found is None:
            continue
        words = shlex.split(line[found.end() :], comments=True)
        yield words[: words.index("&")] if "&" in words else words
