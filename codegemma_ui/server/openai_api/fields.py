"""Values of a request's own fields; what it shares with `/complete` is left to `messages.parse_request`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from codegemma_ui.errors import BadInput
from codegemma_ui.ipc import checks
from codegemma_ui.server.openai_api.problems import Problem

MAX_STOPS = 32
"""OpenAI takes 4. Continue sends all of its own, eleven and more, to servers other than OpenAI's
(https://github.com/continuedev/continue/blob/main/core/autocomplete/templating/getStopTokens.ts)."""

MAX_STOP_CHARACTERS = 200

MAX_COUNT = 2**31 - 1
"""Of tokens and milliseconds: the most that a 32-bit client can say."""

ANY_MODEL = ("", "default", "codegemma")
"""Names that mean whatever model is served. By `codegemma` Continue knows how to write its prompt."""


def whole(given: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """A whole number.

    Raises:
        Problem.
    """
    value = given.get(name)
    with _named(name):
        return default if value is None else checks.whole(value, name, least, most)


def flag(given: Mapping[str, Any], name: str) -> bool:
    """True or false; missing is false.

    Raises:
        Problem.
    """
    with _named(name):
        return checks.flag(given.get(name) or False, name)


def text(given: Mapping[str, Any], name: str) -> str:
    """A text; missing is empty.

    Raises:
        Problem.
    """
    value = given.get(name)
    with _named(name):
        return "" if value is None else checks.text(value, name)


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
            f"{MAX_STOP_CHARACTERS} characters. Received: {checks.shown(value)}",
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
            f"Received: {checks.shown(name)}. The model is changed on the page.",
            code="model_not_found",
            param="model",
        )


def top_k(given: Mapping[str, Any], default: int) -> Any:
    """How many tokens are drawn from, unchecked; 0 for all of them, which others write -1."""
    value = given.get("top_k")
    if value is None:
        return default
    off = isinstance(value, int | float) and not isinstance(value, bool) and value <= 0
    return 0 if off else value


def seed(given: Mapping[str, Any]) -> Any:
    """The seed, unchecked, as a whole number from 0; None, also written -1, draws one.

    Of other numbers below 0 llama.cpp takes the 32 bits, which others write without a sign.
    """
    value = given.get("seed")
    if isinstance(value, bool) or not isinstance(value, int | float) or value >= 0:
        return value
    if value == -1:
        return None
    return value + 2**32 if value >= -(2**31) else value


def line_time_s(given: Mapping[str, Any]) -> float | None:
    """Seconds from the first token after which a line break ends an answer, of `t_max_predict_ms`.

    Raises:
        Problem.
    """
    limit_ms = whole(given, "t_max_predict_ms", 0, -1, MAX_COUNT)
    return limit_ms / 1000 if limit_ms > 0 else None


def names(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings; missing is empty.

    Raises:
        Problem.
    """
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Problem.wrong(
            name, f"{name} must be a list of strings. Received: {checks.shown(value)}"
        )
    return tuple(value)


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Raise what `checks` says of a field as a `Problem` with its name."""
    try:
        yield
    except BadInput as error:
        raise Problem.wrong(name, error.message) from None
