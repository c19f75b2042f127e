"""The figures of the bundled model: in its card, on the page and in the file between them."""

from __future__ import annotations

import json

import pytest

from codegemma_ui.presets import BUNDLED_FOLDER, quality
from training import figures
from training.held_out import KINDS

MEASURED = {
    "single_line": {
        "model": {
            "tasks": 500,
            "exact_match": 0.036,
            "edit_similarity": 0.4444,
            "stopped": 0.966,
            "parses": 0.856,
        },
        "copy": {"exact_match": 0.092, "edit_similarity": 0.486},
    }
}


def test_the_card_has_the_table_of_the_file() -> None:
    card = (BUNDLED_FOLDER / "README.md").read_text(encoding="utf-8")
    measured = json.loads(quality.HELD_OUT.read_bytes())
    assert list(measured) == list(KINDS)
    assert figures.into_card(card, figures.as_table(measured)) == card


def test_a_set_has_two_rows() -> None:
    rows = figures.as_table(MEASURED).splitlines()
    assert rows[2] == "| single line | 500 | 3.6% | 0.444 | 96.6% | 85.6% |"
    assert rows[3] == "| — copy | 500 | 9.2% | 0.486 | | |"


def test_only_the_table_is_replaced() -> None:
    card = "before\n<!-- figures -->\n\nold\n\n<!-- end of figures -->\nafter\n"
    new = figures.into_card(card, "new\n")
    assert new == "before\n<!-- figures -->\n\nnew\n\n<!-- end of figures -->\nafter\n"
    with pytest.raises(ValueError, match="end of figures"):
        figures.into_card("no table", "new\n")
