"""The login of a private playground, from `CODEGEMMA_UI_AUTH`, and the routes that are open without it.

Gradio (6.31) requires a login on most of its routes, but not on all: `heartbeat`, `cancel` and `reset` serve
anyone who knows a session's name, and its login page describes the API. So a request without a login reaches
only what the login form needs.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

UNKNOWN = "Not authenticated."
"""The message for a request without a login."""

# The form with its files; the id by which an open page notices a restart, after which it is to show the form;
# and the request that Gradio sends itself at startup, whose response is true or false.
_OPEN = re.compile(
    r"/|/login/?|/(?:static|assets|svelte)/.+|/(?:gradio_api/)?theme\.css"
    r"|/(?:favicon\.ico|robots\.txt|manifest\.json)|/gradio_api/(?:app_id|startup-events)/?"
)

_logged_in: ContextVar[bool] = ContextVar("logged_in", default=True)


def cookie_names(app: Any) -> tuple[str, str]:
    """Return the names of Gradio's login cookies: over https, and over plain http."""
    return f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"


def admits(scope: Scope) -> bool:
    """Return whether a request may reach Gradio: it has a login, or is for what the form needs."""
    app = scope["app"]
    cookies = HTTPConnection(scope).cookies
    secure, plain = (cookies.get(name) for name in cookie_names(app))
    known = (secure or plain) in app.tokens
    _logged_in.set(known)
    return known or _OPEN.fullmatch(scope["path"]) is not None


class PageApiInfo(dict[tuple[str, bool], Any]):
    """The API description that Gradio (6.31) writes into a page: empty for the login page."""

    def __contains__(self, key: object) -> bool:
        return not _logged_in.get() or super().__contains__(key)

    def __getitem__(self, key: tuple[str, bool]) -> Mapping[str, Any]:
        if not _logged_in.get():
            return {"named_endpoints": {}, "unnamed_endpoints": {}}
        found: Mapping[str, Any] = super().__getitem__(key)
        return found


class Login:
    """Checks credentials in constant time, so that the delay reveals nothing.

    Args:
        user, password: as the operator chose them.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user.encode(), password.encode()

    def __call__(self, user: str, password: str) -> bool:
        """Return whether the pair is right; the signature of Gradio's `auth`."""
        right_user = hmac.compare_digest(_bytes(user), self._user)
        right_password = hmac.compare_digest(_bytes(password), self._password)
        return right_user and right_password

    def accepts(self, authorization: str | None) -> bool:
        """Return whether an `Authorization` header is HTTP Basic with the right pair, as scrapers send."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        user, _, password = decoded.partition(":")
        return self(user, password)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
