"""The middle token by token: probabilities, alternatives, and the reason it stopped."""

from __future__ import annotations

from typing import Any

from codegemma_ui.completions.recording import Recording
from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import shell

NAME = "tokens"

WORDS = (
    *("tokens_strip", "tokens_sure", "tokens_stop", "tokens_focus"),
    "tokens_below",
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
        "stop_stop_string",
        "stop_end_of_line",
        "stop_server",
        "stop_you",
    ),
    *("tokens", "tokens_untold", "tokens_some_untold", "not_told", "token_number"),
    *("spoken_space", "spoken_spaces", "spoken_line", "spoken_lines", "spoken_tab", "spoken_tabs"),
)


def view(recording: Recording | None, parent: dict[str, Any] | None, language: Language) -> str:
    """Return the view of an ended completion.

    Args:
        parent: the recording of the page this one branched off, and the token, as sent by the page.
    """
    if recording is None or not recording.tokens:
        return shell(NAME, language, None)
    return shell(NAME, language, {"recording": recording.to_dict(), "parent": parent})


def again(language: Language) -> str:
    """Return the view that the page showed last and still holds, in another language."""
    return shell(NAME, language, {"recording": None})
