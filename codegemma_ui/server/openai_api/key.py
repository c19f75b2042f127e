"""The keys of the endpoints for other tools, from `CODEGEMMA_UI_API_KEY`."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers


class ApiKey:
    """Compares in constant time, so that an answer's delay tells nothing of the right one.

    Args:
        key: as the operator chose it, or several, one a line; None is open to everyone whom the walls let
            in.
    """

    def __init__(self, key: str | None) -> None:
        self._keys = None if key is None else [one.encode() for one in key.split("\n")]

    def accepts(self, headers: Headers) -> bool:
        """Whether a request brings one of them: as OpenAI's clients do, `Authorization: Bearer KEY`, or as
        llama.cpp's server takes it too, `X-Api-Key: KEY`."""
        if self._keys is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        brought = given.encode()
        right = False
        for key in self._keys:  # each one, so that the delay does not tell which was right either
            right |= hmac.compare_digest(brought, key)
        return right
