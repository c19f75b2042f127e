"""Errors in the format that both kinds of clients read.

OpenAI's error object has `message`, `type`, `param` and `code`
(https://developers.openai.com/api/docs/guides/error-codes); llama.cpp's server uses the same key and form
(https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegemma_ui.errors import BadInput, sentences
from codegemma_ui.ipc.messages import ErrorEvent
from codegemma_ui.server import bodies

RETRY_AFTER_S = 2


class Problem(Exception):
    """A request that gets no completion.

    Args:
        status: HTTP status of the response.
        message: what was expected and received, or what to do.
        code: a stable name for programs.
        kind: one of OpenAI's and llama.cpp's types.
        param: the field that is wrong, if one is.
        unread: whether the client may still be sending its body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        unread: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.kind, self.param, self.unread = code, kind, param, unread

    @classmethod
    def wrong(cls, param: str, message: str, code: str = "bad_input") -> Problem:
        """Return the problem of an invalid field."""
        return cls(400, message, code=code, param=param)

    @classmethod
    def bad_input(cls, error: BadInput) -> Problem:
        """Return the problem of a request that `parse_request` refused."""
        return cls(400, str(error), code=error.code)

    @classmethod
    def refused(cls, refused: bodies.Refused) -> Problem:
        """Return the problem of a refused body. OpenAI uses 400 where Gradio uses 422."""
        status = 400 if refused.status == 422 else refused.status
        return cls(status, refused.reason, code="bad_body", unread=refused.unread)

    @classmethod
    def of(cls, event: ErrorEvent) -> Problem:
        """Return the problem of a failed completion: bad input, a full queue, or an engine error."""
        message = sentences(event.message, event.hint)
        match event.code:
            case "bad_input":
                return cls(400, message, code=event.code)
            case "queue_full":
                return cls(429, message, code=event.code, kind="rate_limit_error")
            case _:
                return cls(503, message, code=event.code, kind="unavailable_error")

    @property
    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> Mapping[str, str]:
        return {"retry-after": str(RETRY_AFTER_S)} if self.status in (429, 503) else {}


def not_ready() -> Problem:
    """Return the error of llama.cpp's `/health` while its model loads."""
    return Problem(503, "The model is not loaded yet.", code="not_ready", kind="unavailable_error")
