"""The API keys of the endpoints for other tools, from `CODEGEMMA_UI_API_KEY`."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers


class ApiKey:
    """Checks keys in constant time, so that the delay reveals nothing.

    Args:
        key: one key, or several, one per line; None accepts every request that passes the guard.
    """

    def __init__(self, key: str | None) -> None:
        self._keys = None if key is None else [one.encode() for one in key.split("\n")]

    def accepts(self, headers: Headers) -> bool:
        """Return whether a request has a valid key: `Authorization: Bearer KEY`, as OpenAI's clients send it,
        or `X-Api-Key: KEY`, which llama.cpp's server accepts too."""
        if self._keys is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        received = given.encode()
        valid = False
        for key in self._keys:  # all of them, so that the delay does not reveal which one matched
            valid |= hmac.compare_digest(received, key)
        return valid
