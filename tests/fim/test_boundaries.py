"""The boundary check: findings at the edges of a hole, cases without findings, and fixes."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from codegemma_ui import fim
from codegemma_ui.fim.boundaries import (
    COMFORTABLE_ROOM,
    MOST_EDITS,
    SEVERITIES,
    Finding,
    apply,
    check,
    check_room,
)
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ui.examples import EXAMPLES, by_key

CALL = "print(total)\n"


def found(vocabulary: Vocabulary, prefix: str, suffix: str, kind: str, **how: object) -> Finding:
    """Return the only finding of a kind."""
    (one,) = (
        finding
        for finding in check(prefix, suffix, vocabulary, **how)  # type: ignore[arg-type]
        if finding.kind == kind
    )
    return one


def kinds(vocabulary: Vocabulary, prefix: str, suffix: str, **how: object) -> list[str]:
    return [one.kind for one in check(prefix, suffix, vocabulary, **how)]  # type: ignore[arg-type]


def mended(finding: Finding, prefix: str, suffix: str) -> tuple[str, str]:
    return apply(finding.edits, "prefix", prefix), apply(finding.edits, "suffix", suffix)


def test_an_empty_page_has_nothing_to_say(vocabulary: Vocabulary) -> None:
    assert check("", "", vocabulary) == []
    assert check("", "", vocabulary, ending="CRLF") == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.key)
def test_no_example_is_warned_about(vocabulary: Vocabulary, example) -> None:
    for finding in check(example.prefix, example.suffix, vocabulary):
        assert finding.severity != "warning", finding


def test_the_quickstarts_space_is_fine_where_the_model_learned_to_fill_in(
    vocabulary: Vocabulary,
) -> None:
    example = by_key("quickstart")
    for layout in fim.FIM_LAYOUTS:
        space = found(vocabulary, example.prefix, example.suffix, "trailing_space", layout=layout)
        assert space.severity == "fine"
        assert space.edits == ()
    assert space.places[0].start == len("import")


@pytest.mark.parametrize("how", [{"layout": "ltr"}, {"layout": "spm", "trained": False}])
def test_the_same_space_splits_a_token_of_whole_texts(
    vocabulary: Vocabulary, how: dict[str, object]
) -> None:
    space = found(vocabulary, "import ", "x", "trailing_space", **how)
    assert space.severity == "warning"
    assert mended(space, "import ", "x") == ("import", "x")
    assert vocabulary.encode("import sys") != [
        *vocabulary.encode("import "),
        *vocabulary.encode("sys"),
    ]


def test_indentation_that_is_tokens_of_its_own_is_left_alone(vocabulary: Vocabulary) -> None:
    for indent in ("    ", "        "):
        prefix = f"for x in y:\n{indent}"
        tokens = vocabulary.encode(prefix)
        assert vocabulary.encode(f"{prefix}self") == [*tokens, *vocabulary.encode("self")]
        assert kinds(vocabulary, prefix, "\nprint(x)\n", layout="ltr") == []


def test_several_blanks_after_code_are_noted(vocabulary: Vocabulary) -> None:
    blanks = found(vocabulary, "x =   ", "\ny", "trailing_blanks")
    assert blanks.severity == "note"
    assert mended(blanks, "x =   ", "\ny") == ("x = ", "\ny")


def test_the_cursor_inside_a_name_moves_behind_it(vocabulary: Vocabulary) -> None:
    prefix, suffix = "return calculate_to", "tal(values)\n"
    inside = found(vocabulary, prefix, suffix, "inside_name")
    assert inside.facts["name"] == "calculate_total"
    assert mended(inside, prefix, suffix) == ("return calculate_total", "(values)\n")
    assert [(one.side, one.start, one.end) for one in inside.places] == [
        ("prefix", len("return "), len(prefix)),
        ("suffix", 0, 3),
    ]


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("x = 1", "2"), ("f(", "values)"), ("name ", "name"), ("", "name"), ("name", ""), ("0x", "f")],
)
def test_other_edges_cut_no_name(vocabulary: Vocabulary, prefix: str, suffix: str) -> None:
    assert "inside_name" not in kinds(vocabulary, prefix, suffix)


def test_left_to_right_looks_at_no_suffix(vocabulary: Vocabulary) -> None:
    assert kinds(vocabulary, f"{CALL}na", f"na{CALL}", layout="ltr") == []
    assert kinds(vocabulary, "def f():\n", "", layout="ltr") == []


def test_crlf_is_fine_on_the_page_and_a_warning_in_a_text(vocabulary: Vocabulary) -> None:
    assert found(vocabulary, "a\n", "b\n", "crlf", ending="CRLF").severity == "fine"
    prefix, suffix = "a = 1\r\nb = 2\r", "\r\nc\n"
    returns = found(vocabulary, prefix, suffix, "carriage_returns", ending="CRLF")
    assert returns.severity == "warning"
    assert returns.facts["count"] == 3
    assert mended(returns, prefix, suffix) == ("a = 1\nb = 2\n", "\nc\n")


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("if a:\n\tb\nif c:\n    d\n    e\n", "", ("if a:\n    b\nif c:\n    d\n    e\n", "")),
        ("if a:\n\tb\n\tc\n", "if d:\n    e\n", ("if a:\n\tb\n\tc\n", "if d:\n\te\n")),
        ("if a:\n  b\n  c\n\t", "\nd\n", ("if a:\n  b\n  c\n  ", "\nd\n")),
        ("if a:\n  \tb\n", "", ("if a:\n    b\n", "")),
        ("if a:\n    b\n    if c:\n    \td\n", "", ("if a:\n    b\n    if c:\n        d\n", "")),
        ("\tx\n\ty\n    z\n", "", ("\tx\n\ty\n\tz\n", "")),
        (
            "class A:\n\tdef f(a):\n        b\n        c\n",
            "",
            ("class A:\n    def f(a):\n        b\n        c\n", ""),
        ),
        ("a:\n\tb\n", "  c\n    d\n", ("a:\n  b\n", "  c\n    d\n")),
    ],
)
def test_mixed_indentation_becomes_the_more_common_kind(
    vocabulary: Vocabulary, prefix: str, suffix: str, expected: tuple[str, str]
) -> None:
    mixed = found(vocabulary, prefix, suffix, "mixed_indentation")
    assert mended(mixed, prefix, suffix) == expected
    assert "mixed_indentation" not in kinds(vocabulary, *expected)


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        ("if a:\n\tb\n\t    # aligned\n", "\tc\n"),
        ("if a:\n    b\n", "        c\n"),
        ("if a:\n    b = ", "\t# not the start of a line\n"),
        ("    x\n\t\n", ""),  # a blank line is not a line of code
    ],
)
def test_one_kind_of_indentation_is_left_alone(
    vocabulary: Vocabulary, prefix: str, suffix: str
) -> None:
    assert "mixed_indentation" not in kinds(vocabulary, prefix, suffix)


@pytest.mark.parametrize("name", fim.CONTROL_TOKENS)
def test_the_name_of_a_control_token_is_noted_wherever_it_stands(
    vocabulary: Vocabulary, name: str
) -> None:
    spelled = found(vocabulary, f"a = '{name}'", f"b{name}", "control_text")
    assert spelled.severity == "note"
    assert spelled.facts == {"name": name, "count": 2}
    assert mended(spelled, f"a = '{name}'", f"b{name}") == ("a = ''", "b")


def test_a_pasted_prompt_is_split_into_both_sides(vocabulary: Vocabulary) -> None:
    pasted = "<bos>" + fim.text_of(fim.segments("import ", "\nsys.exit(0)"))
    whole = found(vocabulary, pasted, "\n", "whole_prompt")
    assert mended(whole, pasted, "\n") == ("import ", "\nsys.exit(0)")
    assert kinds(vocabulary, pasted, "something")[0] != "whole_prompt"
    assert "whole_prompt" not in kinds(vocabulary, "main.py\n" + pasted, "")


def test_a_suffix_that_repeats_the_prefixs_end(vocabulary: Vocabulary) -> None:
    prefix, suffix = f"total = 1\n{CALL}", f"{CALL}done()\n"
    repeated = found(vocabulary, prefix, suffix, "repeated")
    assert repeated.severity == "warning"
    assert mended(repeated, prefix, suffix) == (prefix, "done()\n")
    assert repeated.facts["text"] == CALL.strip()


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("f(x)\n\n", "\n\ng(x)"), ('"""', '"""'), ("a = [0, ", "0, 1]"), ("====", "====")],
)
def test_what_repeats_by_its_nature_is_left_alone(
    vocabulary: Vocabulary, prefix: str, suffix: str
) -> None:
    assert "repeated" not in kinds(vocabulary, prefix, suffix)


def test_an_empty_suffix_is_noted(vocabulary: Vocabulary) -> None:
    assert found(vocabulary, "def f():\n", " \n", "empty_suffix").severity == "note"
    assert "empty_suffix" not in kinds(vocabulary, "", "")


def test_the_gravest_comes_first(vocabulary: Vocabulary) -> None:
    found_here = check(f"{CALL}<|fim_middle|>x = ", "", vocabulary, ending="CRLF")
    order = [SEVERITIES.index(one.severity) for one in found_here]
    assert len(set(order)) > 1
    assert all(first <= second for first, second in pairwise(order))


def room(
    vocabulary: Vocabulary, prefix: str, suffix: str, max_length: int, context_length: int = 1024
) -> list[Finding]:
    prompt = vocabulary.prompt(prefix, suffix, max_length)
    return check_room(
        prompt,
        prefix,
        suffix,
        vocabulary,
        max_length=max_length,
        context_length=context_length,
    )


def test_a_prompt_that_fits_needs_no_room(vocabulary: Vocabulary) -> None:
    assert room(vocabulary, "import ", "\n", 128) == []


def test_trimmed_context_says_where_and_what_length_holds_it(vocabulary: Vocabulary) -> None:
    prefix, suffix = "value = 1\n" * 60, "print(value)\n" * 30
    (cut,) = room(vocabulary, prefix, suffix, 128)
    before, after = cut.places
    prompt = vocabulary.prompt(prefix, suffix, 128)
    assert prefix[before.end :] == next(p.text for p in prompt.segments if p.role == "prefix")
    assert suffix[: after.start] == next(p.text for p in prompt.segments if p.role == "suffix")
    assert cut.facts["count"] == prompt.trimmed_prefix_tokens + prompt.trimmed_suffix_tokens
    assert cut.max_length is not None
    assert room(vocabulary, prefix, suffix, cut.max_length) == []
    whole = vocabulary.prompt(prefix, suffix, cut.max_length)
    assert cut.max_length - len(whole.tokens) == COMFORTABLE_ROOM


def test_what_no_context_holds_gets_all_there_is(vocabulary: Vocabulary) -> None:
    prefix = "value = 1\n" * 2000
    (cut,) = room(vocabulary, prefix, "", 128)
    assert cut.max_length == 1024
    (still,) = room(vocabulary, prefix, "", 1024)
    assert still.max_length is None


def test_long_texts_are_checked_quickly_and_get_no_endless_fix(vocabulary: Vocabulary) -> None:
    prefix = "if a:\n\tb\n    c\n        d\n" * 5000 + "x" * 50_000
    suffix = "x" * 50_000 + "<|fim_suffix|><|fim_prefix|>" * 3000
    started = time.perf_counter()
    findings = check(prefix, suffix, vocabulary)
    assert time.perf_counter() - started < 2.0
    for finding in findings:
        assert len(finding.edits) <= MOST_EDITS
        assert len(finding.places) <= MOST_EDITS
