"""Values of a request's own fields; what it shares with `/complete` is left to `messages.parse_request`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegemma_ui.server.openai_api.problems import Problem

MAX_STOPS = 32
"""OpenAI takes 4. Continue sends all of its own, eleven and more, to servers other than OpenAI's
(https://github.com/continuedev/continue/blob/main/core/autocomplete/templating/getStopTokens.ts)."""

MAX_STOP_CHARACTERS = 200

ANY_MODEL = ("", "default", "codegemma")
"""Names that mean whatever model is served. By `codegemma` Continue knows how to write its prompt."""


def whole(given: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """A whole number.

    Raises:
        Problem.
    """
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Problem.wrong(
            name, f"{name} must be a whole number from {least} to {most}. Received: {shown(value)}"
        )
    return value


def flag(given: Mapping[str, Any], name: str) -> bool:
    """True or false; missing is false.

    Raises:
        Problem.
    """
    value = given.get(name) or False
    if not isinstance(value, bool):
        raise Problem.wrong(name, f"{name} must be true or false. Received: {shown(value)}")
    return value


def text(given: Mapping[str, Any], name: str) -> str:
    """A text; missing is empty.

    Raises:
        Problem.
    """
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Problem.wrong(name, f"{name} must be a string. Received: {type(value).__name__}")
    return value


def stops(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The strings that end an answer, from one or a list of them; empty ones end nothing.

    Raises:
        Problem.
    """
    value = given.get("stop") or []
    listed = [value] if isinstance(value, str) else value
    if (
        not isinstance(listed, list)
        or len(listed) > MAX_STOPS
        or not all(isinstance(each, str) and len(each) <= MAX_STOP_CHARACTERS for each in listed)
    ):
        raise Problem.wrong(
            "stop",
            f"stop must be a string or a list of at most {MAX_STOPS}, each of at most "
            f"{MAX_STOP_CHARACTERS} characters. Received: {shown(value)}",
        )
    return tuple(filter(None, listed))


def check_model(given: Mapping[str, Any], served: str) -> None:
    """Whether the model that a request names is the one that answers.

    A request for another model is refused: an answer by one that was not asked for would look like its own.

    Raises:
        Problem.
    """
    name = text(given, "model")
    if name not in (served, *ANY_MODEL):
        raise Problem(
            404,
            f"The model that is served is {served!r}; 'codegemma' and 'default' mean it too. "
            f"Received: {shown(name)}. The model is changed on the page.",
            code="model_not_found",
            param="model",
        )


def shown(value: object) -> str:
    """A value as an error quotes it."""
    written = repr(value)
    return written if len(written) <= 80 else f"{written[:77]}..."
