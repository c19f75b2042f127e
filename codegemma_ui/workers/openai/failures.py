"""Map failures of a server or its connection to errors a user can act on.

Messages never contain the server's address, since every visitor of the page may read them; `doctor` and the
log name it. A proxy that was used is named, without user and password, since it may be the cause.
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
"""Status with which a proxy requests authentication."""

_MOST_QUOTED = 300
"""Maximum characters quoted from a server."""


class ServerError(EngineError):
    """A server could not fulfil a request; the code says why."""


class NotSupported(ServerError):
    """The server works, but does not support this."""

    code = "not_supported"


def broke_off(came: int) -> ServerError:
    """The answer ended prematurely.

    Args:
        came: number of tokens received.
    """
    return ServerError(
        f"The server's answer broke off after {came} tokens.",
        "The tokens received are kept. Try again.",
        code="server_broke_off",
    )


def protocol_error(what: str, through: Proxy | None = None) -> ServerError:
    """The answer does not follow the protocol.

    Args:
        through: proxy of the request, which may have answered instead.
    """
    return ServerError(
        f"An answer must follow the completions protocol. Received: {what}",
        f"Check --openai-base-url: it usually ends in /v1. {_proxy_note(through)}".strip(),
        code="server_nonsense",
    )


def unusable_proxy(error: Exception) -> ServerError | None:
    """Return the error if the library could not create a client because of a proxy, else None."""
    found = proxies.set_here()
    if isinstance(error, ImportError):
        for one in found:
            if one.socks:
                return ServerError(
                    f"The server cannot be used: {one} needs a package that is not installed here.",
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
    through = _proxy_used(error)
    if through is None or isinstance(error, PlaygroundError):
        return _direct(error)
    match error:
        case openai.APITimeoutError():
            return ServerError(
                f"The server did not answer in time. The request went through {through}.",
                "Check that proxy. If the server is reachable without it, name its host in NO_PROXY, then "
                "start again.",
                code="server_silent",
            )
        case openai.APIConnectionError():
            return ServerError(
                f"The server cannot be reached: the request went through {through}, which failed.",
                "Check that proxy. If the server is reachable without it, name its host in NO_PROXY, then "
                "start again.",
                code="server_absent",
            )
        case openai.APIStatusError() if error.status_code == PROXY_LOGIN:
            return ServerError(
                f"The server cannot be reached: {through} requires a user and password.",
                f"Set {through.source} to http://user:password@host:port, then start again.",
                code="server_absent",
            )
        case _:
            direct = _direct(error)
            return ServerError(
                direct.message, sentences(direct.hint, _proxy_note(through)), code=direct.code
            )


def _proxy_note(through: Proxy | None) -> str:
    return (
        "" if through is None else f"The request went through {through}, which may have answered."
    )


def _proxy_used(error: BaseException) -> Proxy | None:
    request = error.request if isinstance(error, openai.APIError) else None
    return None if request is None else proxies.of(str(request.url))


def _direct(error: BaseException) -> PlaygroundError:
    """Map an exception of a request without a proxy."""
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
                f"The server does not accept the key. {_message(error)}".strip(),
                f"Set {KEY} to a key that it accepts, and start again."
                if os.environ.get(KEY)
                else f"It requires a key: set {KEY}, and start again.",
                code="server_key",
            )
        case openai.RateLimitError():
            return ServerError(
                f"The server accepts no more requests at the moment. {_message(error)}".strip(),
                "Try again in a while.",
                code="server_busy",
            )
        case openai.NotFoundError():
            return ServerError(
                f"The server has no such page or model. {_message(error)}".strip(),
                "Check --openai-base-url (it usually ends in /v1) and --openai-model.",
                code="server_not_found",
            )
        case openai.InternalServerError():
            return ServerError(
                f"The server failed (HTTP {error.status_code}). {_message(error)}".strip(),
                "Try again; its own log has details.",
                code="server_failed",
            )
        case openai.APIStatusError():
            return ServerError(
                f"The server refuses the request (HTTP {error.status_code}). {_message(error)}".strip(),
                "Its message says what it does not accept.",
                code="server_refused",
            )
        case openai.APIError():  # sent within a stream
            return ServerError(
                f"The server failed. {_message(error)}".strip(),
                "Try again; its own log has details.",
                code="server_failed",
            )
        case _:
            return protocol_error(f"{type(error).__name__}: {_quoted(str(error))}")


def _message(error: openai.APIError) -> str:
    """Return the server's own message about an error."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        message = message or body.get("detail")
    else:
        message = body
    return f"It says: {_quoted(message)}" if isinstance(message, str) and message.strip() else ""


def _quoted(text: str) -> str:
    """Shorten untrusted text to one line, and mask our key."""
    return masked(" ".join(text.split()), values())[:_MOST_QUOTED]
