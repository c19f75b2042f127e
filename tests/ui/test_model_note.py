"""What the page says that the bundled model can do: as its card does, and of it alone."""

from __future__ import annotations

import ast
import html
import re
from dataclasses import replace
from textwrap import indent

import pytest

from codegemma_ui.presets import BUNDLED, BUNDLED_FOLDER, quality
from codegemma_ui.ui import model_note
from codegemma_ui.ui.examples import EXAMPLES, by_key
from codegemma_ui.ui.status_line import shown
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from tests.support.statuses import OFFERED, READY

SWITCHING = {"preset": "code_gemma_2b_en", "backend": "torch", "dtype": "auto"}


@pytest.mark.parametrize(
    ("kind", "title"), [("single_line", "single line"), ("rest_of_line", "rest of a line")]
)
def test_the_figures_are_those_of_its_card(kind: str, title: str) -> None:
    card = (BUNDLED_FOLDER / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {title} \| \d+ \| ([\d.]+)% \|", card, re.MULTILINE)
    assert row is not None
    assert float(row[1]) == pytest.approx(100 * quality.exact_match(kind), abs=0.05)


def test_it_stands_beside_the_bundled_model_alone() -> None:
    line, rest = map(quality.exact_match, ("single_line", "rest_of_line"))
    said = f"Toy model, Python only: exact on {line:.1%} of lines, {rest:.0%} of partial lines"
    assert shown(replace(READY, preset=BUNDLED), OFFERED, "en").ability == said
    assert shown(replace(READY, preset="code_gemma_2b_en"), OFFERED, "en").ability == ""
    assert shown(replace(READY, switching_to=SWITCHING), OFFERED, "en").ability == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_code_in_another_language_is_warned_about(language: Language) -> None:
    def notices(preset: str, highlighted: str) -> str:
        status = replace(READY, preset=preset)
        return shown(status, OFFERED, language, highlighted=highlighted).notices

    warning = text("only_python", language)
    assert warning in notices(BUNDLED, "javascript")
    assert warning in notices(BUNDLED, "")
    assert warning not in notices(BUNDLED, "python")
    assert warning not in notices("code_gemma_2b_en", "javascript")


def test_codegemmas_answer_stands_by_the_two_examples_of_the_tutorial() -> None:
    answered = [one.key for one in EXAMPLES if model_note.contrast(one.prefix, one.suffix, "en")]
    assert answered == ["quickstart", "table"]
    first = by_key("quickstart")
    shown_first = model_note.contrast(first.prefix, first.suffix, "en")
    assert "CodeGemma 2B answered in Google's tutorial of April 2024" in html.unescape(shown_first)
    assert "<code>sys\n</code>" in shown_first
    assert "&lt;|file_separator|&gt;" in shown_first


def test_it_goes_with_the_first_edit() -> None:
    first = by_key("quickstart")
    assert model_note.contrast(f"{first.prefix}s", first.suffix, "en") == ""


def test_its_table_is_a_loop_in_the_body_of_another() -> None:
    answer = by_key("table").codegemma
    outer = ast.parse(f"for i in range(1, 10):\n{indent(answer, '    ')}").body[0]
    assert isinstance(outer, ast.For)
    inner, last = outer.body
    assert isinstance(inner, ast.For)
    assert ast.unparse(last) == "print()"
