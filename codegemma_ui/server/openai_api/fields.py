"""Parsers of request fields; those shared with `/complete` are left to `messages.parse_request`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from codegemma_ui.errors import BadInput
from codegemma_ui.ipc import checks
from codegemma_ui.server.openai_api.problems import Problem

MAX_COUNT = 2**31 - 1
"""Of tokens and milliseconds: the largest 32-bit integer."""

ANY_MODEL = ("", "default", "codegemma")
"""Names that mean any served model. Continue derives its prompt format from `codegemma`."""


def whole(given: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number.

    Raises:
        Problem: it is invalid.
    """
    value = given.get(name)
    with _named(name):
        return default if value is None else checks.whole(value, name, least, most)


def flag(given: Mapping[str, Any], name: str) -> bool:
    """Return a boolean; missing is false.

    Raises:
        Problem: it is invalid.
    """
    with _named(name):
        return checks.flag(given.get(name) or False, name)


def text(given: Mapping[str, Any], name: str) -> str:
    """Return a string; missing is empty.

    Raises:
        Problem: it is invalid.
    """
    value = given.get(name)
    with _named(name):
        return "" if value is None else checks.text(value, name)


def stops(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the stop strings, given as one string or a list; empty ones are dropped.

    Raises:
        Problem: it is invalid.
    """
    with _named("stop"):
        return checks.stop_strings(given.get("stop") or (), "stop")


def check_model(given: Mapping[str, Any], served: str) -> None:
    """Check that a request names the served model.

    A request for another model is refused, since the response would pass for that model's.

    Raises:
        Problem: it is invalid.
    """
    name = text(given, "model")
    if name not in (served, *ANY_MODEL):
        raise Problem(
            404,
            f"The model that is served is {served!r}; 'codegemma' and 'default' mean it too. "
            f"Received: {checks.shown(name)}. Change the model on the page.",
            code="model_not_found",
            param="model",
        )


def top_k(given: Mapping[str, Any], default: int) -> Any:
    """Return top_k, unchecked; 0 means all tokens, which other servers write as -1."""
    value = given.get("top_k")
    if value is None:
        return default
    off = isinstance(value, int | float) and not isinstance(value, bool) and value <= 0
    return 0 if off else value


def seed(given: Mapping[str, Any]) -> Any:
    """Return the seed, unchecked, as a whole number from 0; None, also written as -1, is random.

    Other negative numbers are read as unsigned 32-bit integers, as llama.cpp does.
    """
    value = given.get("seed")
    if isinstance(value, bool) or not isinstance(value, int | float) or value >= 0:
        return value
    if value == -1:
        return None
    return value + 2**32 if value >= -(2**31) else value


def line_time_s(given: Mapping[str, Any]) -> float | None:
    """Return `t_max_predict_ms` in seconds: from the first token, after which a line break ends the response.

    Raises:
        Problem: it is invalid.
    """
    limit_ms = whole(given, "t_max_predict_ms", 0, -1, MAX_COUNT)
    return limit_ms / 1000 if limit_ms > 0 else None


def names(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of strings; missing is empty.

    Raises:
        Problem: it is invalid.
    """
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Problem.wrong(
            name, f"{name} must be a list of strings. Received: {checks.shown(value)}"
        )
    return tuple(value)


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Raise an error of `checks` as a `Problem` with the field's name."""
    try:
        yield
    except BadInput as error:
        raise Problem.wrong(name, error.message) from None
