"""A message and its hint read as sentences wherever both are shown as one text."""

from __future__ import annotations

import pytest

from codegemma_ui.errors import BadInput, sentences


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            ("max_length must be a number. Received: 7", "Choose."),
            "max_length must be a number. Received: 7. Choose.",
        ),
        (("It ended.", "Try again."), "It ended. Try again."),
        (("Why?", "So…", "Look:", "here"), "Why? So… Look: here"),
        (("Received: 'gpt'", ""), "Received: 'gpt'"),
        (("", "Try again."), "Try again."),
        ((" It ended ", " "), "It ended"),
    ],
)
def test_what_is_joined_is_sentences(said: tuple[str, ...], read: str) -> None:
    assert sentences(*said) == read


def test_an_error_tells_itself_so() -> None:
    error = BadInput(
        "prefix must have at most 200,000 characters. Received: 600,001", "Keep a part."
    )
    assert str(error).endswith("Received: 600,001. Keep a part.")
