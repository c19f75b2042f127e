"""Speeds and times formatted for people. Pure."""

from __future__ import annotations

from codegemma_ui.ui.strings import Language, text


def speed(tokens_per_s: float) -> str:
    """Return tokens per second, with one decimal below 10."""
    return f"{tokens_per_s:.1f}" if tokens_per_s < 10 else f"{tokens_per_s:.0f}"


def seconds(duration_s: float) -> str:
    """Return measured seconds, with as many decimals as matter."""
    digits = 2 if duration_s < 1 else 1 if duration_s < 10 else 0
    return f"{duration_s:.{digits}f}"


def about(duration_s: float, language: Language) -> str:
    """Return an estimated time, rounded so that it does not flicker."""
    if duration_s < 10:
        return text("in_seconds", language, count=max(1, round(duration_s)))
    if duration_s < 118:
        return text("in_seconds", language, count=5 * round(duration_s / 5))
    return text("in_minutes", language, count=round(duration_s / 60))
