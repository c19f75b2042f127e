"""Checks of single values from outside: each returns the value in its type, or raises what was expected."""

from __future__ import annotations

from codegemma_ui.errors import BadInput

MAX_STOPS = 32
"""OpenAI allows 4. Continue sends all of its own, eleven and more, to servers other than OpenAI's
(https://github.com/continuedev/continue/blob/main/core/autocomplete/templating/getStopTokens.ts)."""

MAX_STOP_CHARACTERS = 200


def whole(value: object, name: str, least: int, most: int) -> int:
    """Return a whole number; 128.0 is one, as sliders and JSON clients send it.

    Raises:
        BadInput: names the field, what was expected and what was received; so do all of these.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadInput(
            f"{name} must be a whole number from {least} to {most}. Received: {shown(value)}"
        )
    return value


def number(value: object, name: str, least: float, most: float) -> float:
    """Return a number; nan is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # type: ignore[operator]
        raise BadInput(
            f"{name} must be a number from {least:g} to {most:g}. Received: {shown(value)}"
        )
    return float(value)  # type: ignore[arg-type]


def flag(value: object, name: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise BadInput(f"{name} must be true or false. Received: {shown(value)}")
    return value


def text(value: object, name: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise BadInput(f"{name} must be a string. Received: {type(value).__name__}")
    return value


def stop_strings(value: object, name: str) -> tuple[str, ...]:
    """Return stop strings, given as one string or a list; empty ones are dropped."""
    listed = [value] if isinstance(value, str) else value
    if (
        not isinstance(listed, list | tuple)
        or len(listed) > MAX_STOPS
        or not all(isinstance(each, str) and len(each) <= MAX_STOP_CHARACTERS for each in listed)
    ):
        raise BadInput(
            f"{name} must be a string or a list of at most {MAX_STOPS}, each of at most "
            f"{MAX_STOP_CHARACTERS} characters. Received: {shown(value)}"
        )
    return tuple(filter(None, listed))


def shown(value: object) -> str:
    """Return a value as an error message quotes it, at most 80 characters."""
    written = repr(value)
    return written if len(written) <= 80 else f"{written[:77]}..."
