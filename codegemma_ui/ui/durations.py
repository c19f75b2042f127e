"""Speeds and times as a person reads them. Pure."""

from __future__ import annotations

from codegemma_ui.ui.strings import Language, text


def speed(tokens_per_s: float) -> str:
    """Tokens a second: one decimal where that tells anything."""
    return f"{tokens_per_s:.1f}" if tokens_per_s < 10 else f"{tokens_per_s:.0f}"


def seconds(duration_s: float) -> str:
    """Seconds that were measured, with as many decimals as matter."""
    digits = 2 if duration_s < 1 else 1 if duration_s < 10 else 0
    return f"{duration_s:.{digits}f}"


def about(duration_s: float, language: Language) -> str:
    """A time that is estimated: rounded, so that it does not flicker."""
    if duration_s < 10:
        return text("in_seconds", language, count=max(1, round(duration_s)))
    if duration_s < 118:
        return text("in_seconds", language, count=5 * round(duration_s / 5))
    return text("in_minutes", language, count=round(duration_s / 60))
