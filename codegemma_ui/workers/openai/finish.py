"""Map a server's `finish_reason` to ours. Pure."""

from __future__ import annotations

from codegemma_ui.ipc.messages import StopReason

_NO_REASON = ("", "null", "none")
"""Values that some servers send with every chunk but the last, where the protocol has null."""

_REASONS: dict[str, StopReason] = {
    **dict.fromkeys(("length", "max_tokens", "max_length"), "max_length"),
    # OpenAI's value, then those of Text Generation Inference, of chats, and of smaller servers.
    **dict.fromkeys(("stop", "eos_token", "stop_sequence", "end_turn"), "stop_token"),
    **dict.fromkeys(("eos", "stop_token", "end_of_text", "complete", "completed"), "stop_token"),
}


def reason_of(finish: object) -> StopReason | None:
    """Return the stop reason for a `finish_reason`, or None if the answer goes on.

    An unknown reason, such as a content filter or an abort, ends the answer as "server".
    """
    if finish is None:
        return None
    name = finish.strip().lower() if isinstance(finish, str) else ""
    if isinstance(finish, str) and name in _NO_REASON:
        return None
    return _REASONS.get(name, "server")
