"""Who may change the model, which every visitor of an instance shares. Pure."""

from __future__ import annotations

from codegemma_ui.errors import NotAllowed
from codegemma_ui.settings import Settings
from codegemma_ui.ui.strings import Language, text


def why_locked(settings: Settings, username: str | None, language: Language) -> str:
    """Why this visitor may not switch, in words; empty where they may.

    Args:
        username: who is logged in, if anybody is.
    """
    match settings.allow_switch:
        case "everyone":
            return ""
        case "login" if username:
            return ""
        case "login":
            return text("locked_login", language)
        case _:
            return text("locked_nobody", language)


def check(settings: Settings, username: str | None, language: Language) -> None:
    """
    Raises:
        NotAllowed: a control that is locked was used all the same.
    """
    reason = why_locked(settings, username, language)
    if reason:
        raise NotAllowed(reason)
