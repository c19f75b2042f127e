"""Why an answer ended, in our words. Pure."""

from __future__ import annotations

from codegemma_ui.ipc.messages import StopReason

_NO_REASON = ("", "null", "none")
"""What some servers send with every piece but the last one, where the protocol has null."""

_REASONS: dict[str, StopReason] = {
    **dict.fromkeys(("length", "max_tokens", "max_length"), "max_length"),
    # OpenAI's word, then those of Text Generation Inference, of chats, and of smaller servers.
    **dict.fromkeys(("stop", "eos_token", "stop_sequence", "end_turn"), "stop_token"),
    **dict.fromkeys(("eos", "stop_token", "end_of_text", "complete", "completed"), "stop_token"),
}


def reason_of(finish: object) -> StopReason | None:
    """The reason that a `finish_reason` gives; None where it gives none, as until the end.

    A reason that is not known ends an answer too, as "server": a content filter's, an abort's.
    """
    if finish is None:
        return None
    name = finish.strip().lower() if isinstance(finish, str) else ""
    if isinstance(finish, str) and name in _NO_REASON:
        return None
    return _REASONS.get(name, "server")
