"""Layouts, token budget, extraction and splicing, without any model."""

from __future__ import annotations

import pytest

from codegemma_ui import fim


def test_psm_is_the_quickstarts_prompt() -> None:
    parts = fim.segments("import ", "\nsys.exit(0)", "psm")
    assert fim.text_of(parts) == "<|fim_prefix|>import <|fim_suffix|>\nsys.exit(0)<|fim_middle|>"


def test_spm_puts_the_suffix_first() -> None:
    parts = fim.segments("before", "after", "spm")
    assert fim.text_of(parts) == "<|fim_suffix|>after<|fim_prefix|>before<|fim_middle|>"


@pytest.mark.parametrize(
    ("prefix", "suffix", "budget", "kept"),
    [
        (10, 10, 20, (10, 10)),  # everything fits
        (100, 100, 40, (30, 10)),  # three quarters for the prefix
        (100, 5, 40, (35, 5)),  # a short suffix leaves its share
        (5, 100, 40, (5, 35)),  # and so does a short prefix
        (100, 0, 12, (12, 0)),
        (0, 100, 12, (0, 12)),
        (7, 7, 0, (0, 0)),
    ],
)
def test_share_budget(prefix: int, suffix: int, budget: int, kept: tuple[int, int]) -> None:
    assert fim.share_budget(prefix, suffix, budget) == kept


def test_extract_stops_at_the_first_stop_token() -> None:
    assert fim.extract([5, 6, 1, 7, 1], {1}) == ([5, 6], 1)


def test_extract_keeps_everything_where_no_stop_token_came() -> None:
    # A text search answers -1 here, and a slice to -1 loses the last character.
    assert fim.extract([5, 6, 7], {1}) == ([5, 6, 7], None)


def test_splice_changes_nothing() -> None:
    assert fim.splice("\n\ta \r\n", "", " b\n\n") == "\n\ta \r\n b\n\n"


@pytest.mark.parametrize(
    "text",
    ["", "plain", "<|fim_middle|>", "a<|fim_prefix|><|file_separator|>b", "<|fim_<|fim_suffix|>"],
)
def test_defuse_leaves_no_control_token_whole(text: str) -> None:
    pieces = fim.defuse(text)
    assert "".join(pieces) == text
    assert not any(token in piece for piece in pieces for token in fim.CONTROL_TOKENS)
