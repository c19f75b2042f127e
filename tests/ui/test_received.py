"""JSON sent by the page's scripts is parsed to an object, or to an empty one if it is malformed."""

from __future__ import annotations

import json

import pytest

from codegemma_ui.ui import received


@pytest.mark.parametrize(
    "sent", ["", "x", "[1]", "3", "null", '{"a":', "[" * 100_000, None, 3, {"a": 1}]
)
def test_what_is_no_object_is_an_empty_one(sent: object) -> None:
    assert received.mapping(sent) == {}


def test_as_many_parts_as_a_long_completion_has_are_read() -> None:
    sent = {"tokens": [[1, "x", "x", -0.5, 0.1, 0, []]] * 30_000}
    assert received.mapping(json.dumps(sent)) == sent


def test_more_parts_are_not() -> None:
    assert received.mapping(json.dumps({"tokens": [[]] * received.MAX_PARTS})) == {}


def test_what_stands_in_a_text_is_no_part() -> None:
    sent = {"prefix": ',[{"\\' * received.MAX_PARTS}
    assert received.mapping(json.dumps(sent)) == sent
