"""All errors shown to users, as one tree.

An error carries three things, through events, the page and the CLI: a `code` for programs, a `message` that
says what was expected and what was received, and a `hint` that says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping


def sentences(*texts: str) -> str:
    """Join a message and its hint; a message that ends in `Received: 7` gets a full stop."""
    parts = [one.strip() for one in texts if one.strip()]
    ended = [one if one.endswith((".", "!", "?", ":", "…")) else f"{one}." for one in parts[:-1]]
    return " ".join([*ended, *parts[-1:]])


class PlaygroundError(Exception):
    """Any error reported to a user.

    Args:
        message: what happened, in one or two sentences.
        hint: the next step, or an empty string.
        code: a stable name for programs; each subclass has a default.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return sentences(self.message, self.hint)

    def to_dict(self) -> dict[str, str]:
        """Return `code`, `message` and `hint`, as events, `/status` and the pipe carry them."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class BadInput(PlaygroundError):
    """The request is invalid: nothing was run."""

    code = "bad_input"


class NotAllowed(BadInput):
    """The operator does not allow this user to do it."""

    code = "not_allowed"


class UnknownPreset(BadInput):
    """There is no such model in the list of this playground."""

    code = "unknown_preset"


class UnknownBackend(BadInput):
    """Not one of tensorflow, jax, torch."""

    code = "unknown_backend"


class UnsupportedPrecision(BadInput):
    """The backend does not support this precision."""

    code = "unsupported_precision"


class EngineError(PlaygroundError):
    """The worker could not fulfil a request."""

    code = "engine_error"


class BackendMissing(EngineError):
    """The backend is known but not installed here."""

    code = "backend_missing"


class NotEnoughMemory(EngineError):
    """The model does not fit into memory, by our estimate or according to the allocator."""

    code = "not_enough_memory"


class LoadFailed(EngineError):
    """The preset exists but could not be loaded."""

    code = "load_failed"


class WorkerDied(EngineError):
    """The worker process ended unexpectedly."""

    code = "worker_died"


class ChoiceFailed(EngineError):
    """A model loaded but could not complete anything; the previous one is restored."""

    code = "choice_failed"


class NotReady(EngineError):
    """No model is loaded or loading."""

    code = "not_ready"


class DownloadFailed(EngineError):
    """The preset could not be downloaded; its code says why."""

    code = "download_failed"


def from_dict(fields: Mapping[str, str]) -> PlaygroundError:
    """Return the error that `to_dict` wrote; an `EngineError` where no class has its code."""
    code, message, hint = fields["code"], fields["message"], fields.get("hint", "")
    kinds: list[type[PlaygroundError]] = [PlaygroundError]
    for kind in kinds:
        if vars(kind).get("code") == code:
            return kind(message, hint)
        kinds += kind.__subclasses__()
    return EngineError(message, hint, code)
