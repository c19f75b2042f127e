"""Benchmark prompts of an exact length, the same for every subject."""

from __future__ import annotations

import re

import pytest

from benchmarks.speed.plan import FULL
from benchmarks.speed.prompts import TEXTS, Prompts
from codegemma_ui import fim
from codegemma_ui.fim.vocabulary import Vocabulary


@pytest.mark.parametrize("length", [22, 200, 900])
def test_a_window_has_exactly_its_length_and_the_order_psm(
    prompts: Prompts, vocabulary: Vocabulary, length: int
) -> None:
    ids = prompts.window(length, 3)
    assert len(ids) == length
    assert ids[:2] == (vocabulary.bos_id, vocabulary.control_id(fim.FIM_PREFIX))
    assert ids[-1] == vocabulary.control_id(fim.FIM_MIDDLE)
    cursor = ids.index(vocabulary.control_id(fim.FIM_SUFFIX))
    assert cursor / length == pytest.approx(0.75, abs=0.1)


def test_windows_begin_differently(prompts: Prompts) -> None:
    starts = [prompts.window(200, variant)[2:10] for variant in range(6 * len(FULL.cases))]
    assert len(set(starts)) == len(starts)


def test_a_window_as_text_is_real_code_around_a_cursor(prompts: Prompts) -> None:
    window = prompts.window_text(200, 1)
    assert window.prefix + window.suffix in (TEXTS / "lending.txt").read_text()
    assert abs(len(window.token_ids) - 200) < 10


def test_the_orders_hold_the_same_texts(prompts: Prompts, vocabulary: Vocabulary) -> None:
    psm = prompts.of_text("x = ", "\nprint(x)\n")
    spm = prompts.of_text("x = ", "\nprint(x)\n", "spm")
    assert sorted(psm.token_ids) == sorted(spm.token_ids)
    assert spm.token_ids[1] == vocabulary.control_id(fim.FIM_SUFFIX)


def test_copies_are_code_whose_next_line_is_like_those_before(prompts: Prompts) -> None:
    copies = prompts.copies()
    assert len(copies) == 5
    for prompt in copies:
        words = [re.findall(r"\w+", line)[0] for line in prompt.prefix.split("\n") if line]
        assert words[-1] in words[:-1]


def test_a_window_longer_than_the_text_is_refused(prompts: Prompts) -> None:
    with pytest.raises(ValueError, match="Received: 5000"):
        prompts.window(5000, 0)
