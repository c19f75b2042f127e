"""All handlers of the page, connected. All of these events are private: the public API is in `api`."""

from __future__ import annotations

from codegemma_ui.client.client import EngineClient
from codegemma_ui.settings import Settings
from codegemma_ui.ui import (
    comparing,
    completing,
    editing,
    language,
    lesson_events,
    quiz,
    restoring,
    share,
    switching,
)
from codegemma_ui.ui.calls import Calls
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.events import blocks_under_construction
from codegemma_ui.ui.status_polling import Follower


def wire(page: Page, client: EngineClient, settings: Settings) -> None:
    """Connect every control."""
    calls = Calls(client, blocks_under_construction())
    complete = completing.wire(page, client, calls)
    comparing.wire(page, client, calls)
    quiz.wire(page, client, calls, complete)
    lesson_events.wire(page, settings)
    editing.wire(page, client)
    follower = Follower(page, client, settings)
    switching.wire(page, client, settings, follower)
    settled = language.wire(page, settings, follower)
    share.wire(page, client, settings)
    restoring.wire(page, client, settled)
