"""A text ends at a complete stop string, however it is split, and no part of one is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegemma_ui.fim.stop_strings import StopStrings


def run(stops: list[str], pieces: list[str]) -> tuple[list[str], str | None]:
    """Return the text shown for each piece and at the end, and the stop string that was found."""
    strings, shown = StopStrings(stops), []
    for piece in pieces:
        shown.append(strings.feed(piece))
        if strings.found is not None:
            return shown, strings.found
    return [*shown, strings.flush()], None


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "found"),
    [
        ([], ["a", "b"], ["a", "b", ""], None),
        (["\n"], ["a", "b\nc"], ["a", "b"], "\n"),
        (["END"], ["xE", "N", "D!"], ["x", "", ""], "END"),
        (["END"], ["xE", "N", "x"], ["x", "", "ENx", ""], None),
        (["END"], ["E"], ["", "E"], None),
        (["aab"], ["aaa", "b"], ["a", ""], "aab"),
        (["abcd", "bc"], ["abcd"], ["a"], "bc"),
        (["abc", "bc"], ["xabc"], ["x"], "abc"),
    ],
)
def test_what_is_shown(
    stops: list[str], pieces: list[str], shown: list[str], found: str | None
) -> None:
    assert run(stops, pieces) == (shown, found)


LETTERS = st.text("ab\n", max_size=12)


@given(
    stops=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=4),
    pieces=st.lists(LETTERS, max_size=8),
)
def test_where_the_pieces_fall_does_not_matter(stops: list[str], pieces: list[str]) -> None:
    text = "".join(pieces)
    shown, found = run(stops, pieces)
    assert ("".join(shown), found) == (
        "".join(run(stops, list(text))[0]),
        run(stops, list(text))[1],
    )
    assert text.startswith("".join(shown))
    assert not any(stop in "".join(shown) for stop in stops)
    assert (found is None) == (not any(stop in text for stop in stops))


@pytest.mark.parametrize(
    ("given", "pieces", "shown", "found"),
    [
        ("", ["a", "b\nc"], "ab", "\n"),
        ("", ["\n", "  \n  a", "b\r\nc"], "\n  \n  ab", "\r"),
        ("", ["\n \n"], "\n \n", None),
        ("x", ["\na"], "", "\n"),
        ("x\n", ["\na"], "", "\n"),
        (" \n", ["\na\n"], "\na", "\n"),
    ],
)
def test_one_line_ends_at_the_first_break_after_text(
    given: str, pieces: list[str], shown: str, found: str | None
) -> None:
    strings = StopStrings((), one_line=True)
    strings.skip(given)
    seen = ""
    for piece in pieces:
        seen += strings.feed(piece)
        if strings.found:
            break
    assert (seen, strings.found) == (shown, found)


def test_whichever_ends_first_ends_it() -> None:
    for text, shown in (("ab;c\nd", "ab"), ("ab\nc;", "ab")):
        strings = StopStrings((";",), one_line=True)
        assert strings.feed(text) == shown
