"""The view of the boundary check: text for every finding, positions, exact edits."""

from __future__ import annotations

import pytest

from codegemma_ui.fim.boundaries import KINDS, Edit, Finding, Place, check
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ui.strings import LANGUAGES, TABLE, Language
from codegemma_ui.ui.views import boundaries

PREFIX = "a = 1\r\n😀 = '<|fim_middle|>'\n\tx\n    y\n    print(na"
SUFFIX = "me)\n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_has_its_words(vocabulary: Vocabulary, language: Language) -> None:
    texts = [
        (PREFIX, SUFFIX, "psm", "LF"),
        ("import ", "", "ltr", "CRLF"),
        ("import ", "x", "psm", "LF"),
        ("x =  ", "", "psm", "LF"),
        ("print(x)\n", "print(x)\n", "psm", "LF"),
        ("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "", "psm", "LF"),
        ("\ta\n\tb\n    c\n", "d", "psm", "LF"),
        ("\u2581a\u200b", "\u00a0", "psm", "LF"),
        ("a\u00a0b", "c", "psm", "LF"),
        ("\ufeffa", "c", "psm", "LF"),
    ]
    told = [Finding(kind="trimmed", severity="warning", max_length=99, facts={"count": 3})]
    for prefix, suffix, layout, ending in texts:
        told += check(prefix, suffix, vocabulary, layout=layout, ending=ending)  # type: ignore[arg-type]
    assert {finding.kind for finding in told} == set(KINDS)
    longest = max(len(prefix) for prefix, *_ in texts)
    for finding in told:
        text = "x" * longest
        (fact,) = boundaries.facts([finding], text, text, language)["findings"]
        assert fact["title"]
        assert fact["why"]
        assert (fact["fix"] is not None) == bool(finding.edits or finding.max_length)
        assert fact["fix"] != ""


def test_places_and_edits_are_counted_as_a_browser_counts() -> None:
    start = PREFIX.index("<|")
    finding = Finding(
        kind="control_text",
        severity="note",
        places=(Place("prefix", start, start + 4),),
        edits=(Edit("prefix", start, start + 4, "-"), Edit("suffix", 0, 2, "")),
        facts={"name": "<|fim_middle|>", "count": 1},
    )
    (fact,) = boundaries.facts([finding], PREFIX, SUFFIX, "en")["findings"]
    column = len("xx = '")  # the emoji is two units wide
    assert fact["places"] == [["prefix", 1, column, 1, column + 4]]
    assert fact["edits"] == [
        ["prefix", 1, column, 1, column + 4, "<|fi", "-"],
        ["suffix", 0, 0, 0, 2, "me", ""],
    ]


def test_the_words_of_the_lines_exist(vocabulary: Vocabulary) -> None:
    hostile = "</div><script>alert(1)</script>${1}`{{x}}"
    shown = boundaries.view(check(hostile, "", vocabulary), hostile, "", "ko")
    assert "<script" not in shown
    assert TABLE["boundaries_says"][1] in shown
