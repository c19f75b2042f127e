"""What goes wrong between us and a server, as errors that a person can act on.

No message has the server's address: whoever opens a page may read them. `doctor` and the log name it.
"""

from __future__ import annotations

import os

import openai

from codegemma_ui.errors import EngineError, PlaygroundError
from codegemma_ui.secrets import masked, values

KEY = "OPENAI_API_KEY"

_MOST_QUOTED = 300
"""Characters of a server's own words."""


class ServerError(EngineError):
    """A server could not do what it was asked; the code says why."""


class NotSupported(ServerError):
    """It works, but cannot do this."""

    code = "not_supported"


def broke_off(came: int) -> ServerError:
    """The answer ended before its end.

    Args:
        came: tokens that had come.
    """
    return ServerError(
        f"The server's answer broke off after {came} tokens.",
        "What came is kept. Try again.",
        code="server_broke_off",
    )


def nonsense(what: str) -> ServerError:
    """It answered, but not in the protocol."""
    return ServerError(
        f"An answer must be one of the completions protocol. Received: {what}",
        "Check --openai-base-url: it usually ends in /v1.",
        code="server_nonsense",
    )


def readable(error: BaseException) -> PlaygroundError:
    """Map an exception of the library, or of reading an answer, to ours."""
    match error:
        case PlaygroundError():
            return error
        case openai.APITimeoutError():
            return ServerError(
                "The server did not answer in time.",
                "It may be loading a model or be overloaded: try again, or raise --openai-timeout.",
                code="server_silent",
            )
        case openai.APIConnectionError():
            return ServerError(
                "The server cannot be reached.",
                "Check that it runs, and --openai-base-url.",
                code="server_absent",
            )
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return ServerError(
                f"The server does not accept the key. {_words(error)}".strip(),
                f"Set {KEY} to a key that it knows, and start again."
                if os.environ.get(KEY)
                else f"It asks for a key: set {KEY}, and start again.",
                code="server_key",
            )
        case openai.RateLimitError():
            return ServerError(
                f"The server takes no more requests at the moment. {_words(error)}".strip(),
                "Try again in a while.",
                code="server_busy",
            )
        case openai.NotFoundError():
            return ServerError(
                f"The server knows no such page or model. {_words(error)}".strip(),
                "Check --openai-base-url (it usually ends in /v1) and --openai-model.",
                code="server_not_found",
            )
        case openai.InternalServerError():
            return ServerError(
                f"The server failed (HTTP {error.status_code}). {_words(error)}".strip(),
                "Try again; its own log says more.",
                code="server_failed",
            )
        case openai.APIStatusError():
            return ServerError(
                f"The server refuses the request (HTTP {error.status_code}). {_words(error)}".strip(),
                "Its words say what it does not take.",
                code="server_refused",
            )
        case openai.APIError():  # told within a stream
            return ServerError(
                f"The server failed. {_words(error)}".strip(),
                "Try again; its own log says more.",
                code="server_failed",
            )
        case _:
            return nonsense(f"{type(error).__name__}: {_quoted(str(error))}")


def _words(error: openai.APIError) -> str:
    """What the server itself says of an error."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, dict) else inner
        said = said or body.get("detail")
    else:
        said = body
    return f"It says: {_quoted(said)}" if isinstance(said, str) and said.strip() else ""


def _quoted(text: str) -> str:
    """A stranger's words: short, on one line, without our key."""
    return masked(" ".join(text.split()), values())[:_MOST_QUOTED]
