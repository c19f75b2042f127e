"""Checks of single values from outside: each returns the value in its type, or raises what was expected."""

from __future__ import annotations

from codegemma_ui.errors import BadInput


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


def shown(value: object) -> str:
    """Return a value as an error message quotes it, at most 80 characters."""
    written = repr(value)
    return written if len(written) <= 80 else f"{written[:77]}..."
