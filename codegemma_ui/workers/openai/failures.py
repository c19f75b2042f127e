"""What goes wrong between us and a server, as errors that a person can act on.

No message has the server's address: whoever opens a page may read them. `doctor` and the log name it. A proxy
that it was asked through is named, without user and password, since it may be the one that failed.
"""

from __future__ import annotations

import os

import openai

from codegemma_ui.errors import EngineError, PlaygroundError, sentences
from codegemma_ui.machine import proxies
from codegemma_ui.machine.proxies import Proxy
from codegemma_ui.secrets import masked, values

KEY = "OPENAI_API_KEY"

PROXY_LOGIN = 407
"""The status with which a proxy asks for a user and password."""

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


def nonsense(what: str, through: Proxy | None = None) -> ServerError:
    """It answered, but not in the protocol.

    Args:
        through: the proxy that it was asked through, whose answer this may be.
    """
    return ServerError(
        f"An answer must be one of the completions protocol. Received: {what}",
        f"Check --openai-base-url: it usually ends in /v1. {_perhaps(through)}".strip(),
        code="server_nonsense",
    )


def unusable_proxy(error: Exception) -> ServerError | None:
    """Why the library could not even make a client, where a proxy is the reason."""
    found = proxies.set_here()
    if isinstance(error, ImportError):
        for one in found:
            if one.socks:
                return ServerError(
                    f"The server cannot be asked: {one} needs a package that is not installed here.",
                    f"{proxies.SOCKS_PACKAGE}, or unset {one.source}, then start again.",
                    code="server_absent",
                )
    for one in found:
        if not one.usable:
            return ServerError(
                f"{one.source} must be the address of a proxy, such as http://proxy:3128 or "
                "socks5://proxy:1080. Received: something else.",
                f"Correct or unset {one.source}, then start again.",
                code="server_absent",
            )
    return None


def readable(error: BaseException) -> PlaygroundError:
    """Map an exception of the library, or of reading an answer, to ours."""
    through = _asked_through(error)
    if through is None or isinstance(error, PlaygroundError):
        return _direct(error)
    match error:
        case openai.APITimeoutError():
            return ServerError(
                f"The server did not answer in time. It was asked through {through}.",
                "Check that proxy. Where the server is reached without it, name its host in NO_PROXY, then "
                "start again.",
                code="server_silent",
            )
        case openai.APIConnectionError():
            return ServerError(
                f"The server cannot be reached: it was asked through {through}, which failed.",
                "Check that proxy. Where the server is reached without it, name its host in NO_PROXY, then "
                "start again.",
                code="server_absent",
            )
        case openai.APIStatusError() if error.status_code == PROXY_LOGIN:
            return ServerError(
                f"The server cannot be reached: {through} asks for a user and password.",
                f"Set {through.source} to http://user:password@host:port, then start again.",
                code="server_absent",
            )
        case _:
            told = _direct(error)
            return ServerError(
                told.message, sentences(told.hint, _perhaps(through)), code=told.code
            )


def _perhaps(through: Proxy | None) -> str:
    return "" if through is None else f"It was asked through {through}, which may have answered."


def _asked_through(error: BaseException) -> Proxy | None:
    request = error.request if isinstance(error, openai.APIError) else None
    return None if request is None else proxies.of(str(request.url))


def _direct(error: BaseException) -> PlaygroundError:
    """The same where no proxy was asked."""
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
