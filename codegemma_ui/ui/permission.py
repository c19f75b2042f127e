"""Permission to change the model, which all visitors of an instance share. Pure."""

from __future__ import annotations

from codegemma_ui.errors import NotAllowed
from codegemma_ui.settings import Settings
from codegemma_ui.ui.strings import Language, text


def why_locked(settings: Settings, username: str | None, language: Language) -> str:
    """Return the reason why this visitor may not switch; empty if they may.

    Args:
        username: of the login, if any.
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
    """Check that this visitor may switch.

    Raises:
        NotAllowed: a locked control was used.
    """
    reason = why_locked(settings, username, language)
    if reason:
        raise NotAllowed(reason)
