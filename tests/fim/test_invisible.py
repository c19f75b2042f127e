"""Invisible characters are found everywhere except where they are legitimate."""

from __future__ import annotations

import time
import unicodedata

import pytest

from codegemma_ui.fim import invisible
from codegemma_ui.fim.boundaries import MOST_EDITS, Finding, Place, apply, check
from codegemma_ui.fim.vocabulary import Vocabulary

ODD = (
    *("\u00a0", "\u2003", "\u202f", "\u3000", "\u0085", "\u2028", "\u2029"),
    *("\0", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x80", "\x9f"),
    *("\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\u2063", "\ufeff", "\u034f"),
    *("\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u061c"),
    *("\ufe0f", "\ufe00", "\U000e0100", "\U000e0001", "\U000e0041", "\U000e007f"),
    *("\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u180e"),
)

BELONGING = (
    "x = 1\n\ty = 2\r\n",
    "한글 이름 = '값'  # 주석",
    "👩‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 🏴‍☠️ ❤️‍🔥 🧑‍⚕️ ☎︎ ☎️ ©️ 1️⃣ #️⃣ 🇰🇷 🦙 ⟨∀x⟩ →",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "می\u200cخواهم کتاب\u200cها PDF\u200cها ه\u200d",
    "क्\u200dष क्\u200cष ශ්\u200dරී ക്\u200cഷ",
    "ಕ್\u200cಷ র\u200d্য",
    "ภาษา\u200bไทย ភាសា\u200bខ្មែរ",
    "# שלום\u200f!\n",
    "葛\U000e0100城 ≨\ufe00 0\ufe00 、\ufe00",
    "ᠮᠣᠩ\u180bᠭᠣᠯ",
    "\u1112\u1160\u11ab \u115f\u1161",
    "\u2800\u2800⣿⡇\u2800⣿",
    "import a\n\f\nclass B:\n",
)


@pytest.mark.parametrize("character", ODD, ids=lambda one: f"{ord(one):04X}")
@pytest.mark.parametrize("text", ["a{}b", "{}", "'한{}글'", "x = {}1\n"])
def test_each_is_found_in_code(character: str, text: str) -> None:
    whole = text.format(character)
    if character == "\x0c" and whole == character:
        assert list(invisible.find(whole)) == []  # a page break
        return
    (one,) = invisible.find(whole)
    assert (one.at, one.character) == (text.index("{"), character)
    space = unicodedata.category(character) == "Zs"
    breaks = unicodedata.category(character) in ("Zl", "Zp") or character == "\u0085"
    assert one.plain == (" " if space else "\n" if breaks else "")


@pytest.mark.parametrize("text", BELONGING)
def test_where_they_belong_they_are_left_alone(text: str) -> None:
    assert list(invisible.find(text)) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("👩\u200d", 1),
        ("👩\u200dx", 1),
        ("❤\ufe0f\ufe0f", 2),
        ("می\u200c\u200cخو", 2),
        ("ab\u200ccd", 2),
        ("a\U000e0067\U000e007f", 1),
        ("# שלום\nx\u200f = 1", 8),
        ("مرحبا\u202e", 5),
        ("한\u200b글", 1),
    ],
)
def test_the_same_character_elsewhere_is_found(text: str, at: int) -> None:
    first = next(invisible.find(text))
    assert first.at == at


def found(vocabulary: Vocabulary, prefix: str, suffix: str, kind: str) -> Finding:
    (one,) = (one for one in check(prefix, suffix, vocabulary) if one.kind == kind)
    return one


def test_both_editors_make_one_finding_with_one_fix(vocabulary: Vocabulary) -> None:
    prefix, suffix = "\u00a0\u00a0x\u200b = 1\u2028", "y\u202e = 2"
    finding = found(vocabulary, prefix, suffix, "invisible")
    assert finding.severity == "warning"
    assert finding.facts == {"count": 5, "name": "U+00A0 NO-BREAK SPACE", "kept": "some"}
    assert finding.places == (
        Place("prefix", 0, 2),
        Place("prefix", 3, 4),
        Place("prefix", 8, 9),
        Place("suffix", 1, 2),
    )
    assert apply(finding.edits, "prefix", prefix) == "  x = 1\n"
    assert apply(finding.edits, "suffix", suffix) == "y = 2"


@pytest.mark.parametrize(
    ("prefix", "kept"), [("a\u00a0\u3000b", "spaces"), ("a\u200bb\u2060", "nothing")]
)
def test_the_fix_says_what_it_does(vocabulary: Vocabulary, prefix: str, kept: str) -> None:
    assert found(vocabulary, prefix, "", "invisible").facts["kept"] == kept


def test_a_mark_at_the_programs_head_is_noted_and_elsewhere_a_warning(
    vocabulary: Vocabulary,
) -> None:
    assert found(vocabulary, "\ufeffx = 1", "", "invisible").severity == "note"
    for prefix, suffix in (("x\ufeff", ""), ("", "\ufeffx"), ("\ufeffx\u200b", "")):
        finding = found(vocabulary, prefix, suffix, "invisible")
        assert finding.severity == "warning"
    assert found(vocabulary, "", "\ufeffx", "invisible").facts["name"] == "U+FEFF BYTE ORDER MARK"


def test_an_indentation_of_no_break_spaces_is_mended_at_once(vocabulary: Vocabulary) -> None:
    prefix = "if a:\n" + "\u00a0\u00a0\u00a0\u00a0b\n" * MOST_EDITS
    finding = found(vocabulary, prefix, "", "invisible")
    assert finding.facts["count"] == 4 * MOST_EDITS
    assert apply(finding.edits, "prefix", prefix) == prefix.replace("\u00a0", " ")


def test_a_lower_block_is_told_and_becomes_a_space_by_its_fix(vocabulary: Vocabulary) -> None:
    finding = found(vocabulary, "\u2581import\u2581", "sys", "blocks")
    assert finding.severity == "note"
    assert finding.facts["count"] == 2
    assert apply(finding.edits, "prefix", "\u2581import\u2581") == " import "
    assert not [one for one in check("a b", "_", vocabulary) if one.kind == "blocks"]


def test_long_texts_are_looked_through_quickly() -> None:
    text = ("def f(x):\n    return '👩‍👩‍👧‍👦 می\u200cخواهم'\n" + "a\u200b" * 40) * 1000
    started = time.perf_counter()
    assert sum(1 for _ in invisible.find(text)) == 40_000
    assert time.perf_counter() - started < 2
