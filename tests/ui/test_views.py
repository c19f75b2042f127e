"""The data of the teaching views: every token, its role, and its position in its editor."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ui.strings import LANGUAGES, TABLE, Language
from codegemma_ui.ui.views import race, shell, words, xray

TEXT = "a = '😀'\n\tb = 한글\n\nc"


def facts_of(shown: str) -> dict[str, Any]:
    found = re.search(r'<div class="facts" hidden>(.*?)</div>', shown, re.DOTALL)
    assert found
    return json.loads(html.unescape(found[1]))


def utf16_slice(text: str, start: int, end: int) -> str:
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")


def test_a_place_is_a_line_and_a_column_as_a_browser_counts() -> None:
    places = xray.Places(TEXT)
    for position, character in enumerate(TEXT):
        line, column = places.of(position)
        shown = TEXT.split("\n")[line] + "\n"
        width = 2 if character > "\uffff" else 1
        assert utf16_slice(shown, column, column + width) == character
    assert places.of(len(TEXT)) == (3, 1)


@pytest.mark.parametrize("layout", fim.LAYOUTS)
def test_the_xray_tells_of_every_token(vocabulary: Vocabulary, layout: fim.Layout) -> None:
    prompt = vocabulary.prompt(TEXT, TEXT, 64, layout)
    facts = xray.facts(prompt, TEXT, TEXT, 64)
    assert [one[0] for one in facts["tokens"]] == list(prompt.token_ids)
    assert sum(facts["counts"].values()) + facts["room"] == facts["max_length"] == 64
    sides = [one for one in facts["tokens"] if one[2] in ("prefix", "suffix")]
    assert sides
    assert all(len(one) == 7 for one in sides)
    assert facts["trimmed"] == {}


def test_what_was_cut_is_told(vocabulary: Vocabulary) -> None:
    prompt = vocabulary.prompt("x = 1\n" * 100, "y = 2\n" * 50, 64)
    facts = xray.facts(prompt, "x = 1\n" * 100, "y = 2\n" * 50, 64)
    assert facts["trimmed"] == {
        "prefix": prompt.trimmed_prefix_tokens,
        "suffix": prompt.trimmed_suffix_tokens,
    }
    first = next(one for one in facts["tokens"] if one[2] == "prefix")
    assert first[3] > 80  # its line in the editor, not in the prompt


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_view_says_what_it_shows_and_its_words_exist(vocabulary: Vocabulary, language) -> None:
    hostile = "</div><script>alert(1)</script>${1}`{{x}}\\"
    prompt = vocabulary.prompt(hostile, "", 128)
    shown = xray.view(prompt, hostile, "", 128, language)
    assert TABLE["xray_says"][language == "ko"] in shown
    assert "<script" not in shown
    facts = facts_of(shown)
    assert facts["language"] == language
    ids = [one[0] for one in facts["tokens"] if one[2] == "prefix"]
    assert vocabulary.decode(ids) == hostile
    assert TABLE["tokens_empty"][language == "ko"] in shell("tokens", language, None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_every_view_come_once(language: Language) -> None:
    shown = words.view(language)
    assert f'lang="{language}"' in shown
    found = re.search(r">(.*)</div>", shown)
    assert found
    said = json.loads(html.unescape(found[1]))
    assert set(said) == {*race.WORDS, *xray.WORDS, *words.WORDS}
    assert all(said.values())
