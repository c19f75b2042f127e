"""What the page does, put together. All of its events are private: the public API is in `api`."""

from __future__ import annotations

import functools

from codegemma_ui.client import EngineClient
from codegemma_ui.settings import Settings
from codegemma_ui.ui import completing, editing, following, speaking
from codegemma_ui.ui.completions import Completions
from codegemma_ui.ui.components import Page


def wire(page: Page, client: EngineClient, settings: Settings) -> Completions:
    """Connect every control; returns the door to the engine that the API shares."""
    completions = Completions(client, settings.queue_size)
    completing.wire(page, client, completions)
    editing.wire(page, client)
    looked_at = following.wire(page, client)
    look_anew = functools.partial(following.look_at, client, None)
    speaking.wire(page, settings, look_anew, looked_at)
    return completions
