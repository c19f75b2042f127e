"""The middle token by token: how sure the model was, what else it might have written, why it stopped."""

from __future__ import annotations

from typing import Any

from codegemma_ui.completions.recording import Recording
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import shell

NAME = "tokens"

WORDS = (
    *("tokens_strip", "tokens_sure", "tokens_stop", "tokens_focus"),
    *("tokens_unsure", "tokens_pick", "tokens_chosen"),
    *("tokens_other", "tokens_forced", "tokens_past", "tokens_sum", "tokens_keep_going"),
    *(
        "tokens_stop_chance",
        "tokens_branches",
        "tokens_original",
        "tokens_branch",
        "tokens_went_on",
    ),
    *(
        "stop_token",
        "stop_unnamed",
        "stop_max_length",
        "stop_time_limit",
        "stop_repetition",
        "stop_server",
        "stop_you",
    ),
    *("tokens", "tokens_untold", "tokens_some_untold", "not_told"),
)


def view(recording: Recording | None, parent: dict[str, Any] | None, language: Language) -> str:
    """The view of an ended completion.

    Args:
        parent: which recording of the page this one branched off, and at which token, as the page told it.
    """
    if recording is None or not recording.tokens:
        return shell(NAME, language, None)
    return shell(NAME, language, {"recording": recording.to_dict(), "parent": parent})


def again(language: Language) -> str:
    """The view of what the page showed last, and still has, in other words."""
    return shell(NAME, language, {"recording": None})
