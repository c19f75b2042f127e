"""Hole quiz: a guess and the model's middle compared with the hidden code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from codegemma_ui.ui.strings import Language
from codegemma_ui.ui.views import shell

NAME = "quiz"

WORDS = (
    *("quiz_title", "quiz_says", "quiz_how", "quiz_program", "quiz_hide", "quiz_load"),
    *("quiz_nothing_selected", "quiz_hidden"),
    *("quiz_guess", "quiz_compare", "quiz_back", "quiz_busy", "quiz_scoring", "quiz_failed"),
    *(
        "quiz_changed",
        "quiz_compared",
        "quiz_who",
        "quiz_text",
        "quiz_exact",
        "quiz_parses",
        "quiz_likelihood",
    ),
    *("quiz_you", "quiz_model", "quiz_truth", "quiz_same", "quiz_other", "quiz_is_python"),
    *("quiz_no_python", "quiz_not_parsed", "quiz_unscored", "quiz_tokens", "quiz_nothing"),
    *("quiz_likelihood_is", "quiz_only_python", "quiz_one_in", "quiz_locale"),
    *("quiz_both", "quiz_you_only", "quiz_model_only", "quiz_neither"),
    *("quiz_truth_likelier", "quiz_truth_less_likely"),
)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One text for the hole.

    Attributes:
        exact: whether it equals the hidden code, except for trailing whitespace.
        parses: whether the whole program is valid Python; None if not checked.
        logprob: natural logarithm of the model's probability for these tokens and an end right after them;
            None if there is none, as for a middle that was cut off.
        tokens: number of tokens, without the end.
    """

    who: Literal["you", "model", "truth"]
    text: str
    exact: bool
    parses: bool | None
    logprob: float | None
    tokens: int


@dataclass(frozen=True)
class Comparison:
    """All attempts at one hole; `parsed` if the program was checked as Python."""

    rows: tuple[Attempt, ...]
    parsed: bool


def view(comparison: Comparison | None, language: Language, *, state: str = "idle") -> str:
    """Return the quiz; the hidden code and the guess stay in the page.

    Args:
        state: "idle", "busy" while the model generates, "scoring", or "failed".
    """
    facts: dict[str, Any] = {"state": state}
    if comparison is not None:
        facts = {"state": "compared", "comparison": asdict(comparison)}
    return shell(NAME, language, facts)
