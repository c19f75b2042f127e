"""The key of the endpoints for other tools, from `CODEGEMMA_UI_API_KEY`."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers


class ApiKey:
    """Compares in constant time, so that an answer's delay tells nothing of the right one.

    Args:
        key: as the operator chose it; None is open to everyone whom the walls let in.
    """

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()

    def accepts(self, headers: Headers) -> bool:
        """Whether a request brings it: as OpenAI's clients do, `Authorization: Bearer KEY`, or as llama.cpp's
        server takes it too, `X-Api-Key: KEY`."""
        if self._key is None:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return hmac.compare_digest(given.encode(), self._key)
