"""The one login of a private playground, from `CODEGEMMA_UI_AUTH`."""

from __future__ import annotations

import base64
import binascii
import hmac


class Login:
    """Compares in constant time, so that an answer's delay tells nothing of the right one.

    Args:
        user, password: as the operator chose them.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user.encode(), password.encode()

    def __call__(self, user: str, password: str) -> bool:
        """Whether this is it; the form that Gradio's `auth` takes."""
        right_user = hmac.compare_digest(_bytes(user), self._user)
        right_password = hmac.compare_digest(_bytes(password), self._password)
        return right_user and right_password

    def accepts(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header is HTTP Basic with the right pair, as scrapers send it."""
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
