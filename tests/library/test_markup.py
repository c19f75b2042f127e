"""A program as HTML: its text is never interpreted as markup, and both themes are readable."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from codegemma_ui.library import markup
from tests.support.hostile import HOSTILE


class Shown(HTMLParser):
    """Collects the text in `code`, the text in `mark`, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.text = self.marked = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside.append(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if "code" in self.inside else ""
        self.marked += data if "mark" in self.inside else ""


def test_the_program_reads_back_with_its_middle_marked() -> None:
    shown = Shown(markup.program(HOSTILE, "a" + HOSTILE, HOSTILE))
    assert shown.text == HOSTILE + "a" + HOSTILE + HOSTILE
    assert shown.marked == "a" + HOSTILE
    assert shown.tags == ["style", "div", "pre", "code", "span", "mark", "span"]
    assert not shown.inside


def test_an_empty_hole_and_an_empty_program_are_shown_too() -> None:
    assert Shown(markup.program("\na", "", "b\n")).text == "\nab\n"
    assert "mark" not in Shown(markup.program("", "", "")).tags


@pytest.mark.parametrize("width", [8, 500], ids=["many lines", "long lines"])
def test_a_long_program_is_shown_around_its_middle(width: int) -> None:
    text = "".join(f"{number:{width}}\n" for number in range(1000))
    shown = Shown(markup.program(text, "middle", f"\n{text}"))
    before, _, after = shown.text.partition("middle")
    assert before.startswith("⋯\n")
    assert after.endswith("\n⋯")
    before, after = before.removeprefix("⋯\n"), after.removesuffix("\n⋯")
    assert text.endswith(f"\n{before}")
    assert f"\n{text}".startswith(f"{after}\n")
    for side in (before, after):
        assert 0 < side.count("\n") < markup.LINES
        assert len(side) < markup.CHARACTERS


def test_a_long_line_is_cut_where_it_must() -> None:
    most = markup.CHARACTERS
    shown = Shown(markup.program("x" * 9999, "middle", "y" * 9999))
    assert shown.text == f"⋯\n{'x' * most}middle{'y' * most}\n⋯"


def test_every_colour_stands_for_browsers_without_themes_first() -> None:
    html = markup.program("a", "b", "c")
    declarations = [one.split(":", 1) for style in Shown(html).styles for one in style.split(";")]
    plain: dict[str, str] = {}
    themed = 0
    for attribute, value in filter(lambda pair: len(pair) == 2, declarations):
        if value.startswith("light-dark("):
            light, dark = value.removeprefix("light-dark(").removesuffix(")").split(",")
            assert plain[attribute] == light != dark
            themed += 1
        plain[attribute] = value
    # The box's text, background and border, three roles, the middle's background.
    assert themed == 7
    assert "url(" not in html
