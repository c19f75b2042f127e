"""A client whose worker echoes the prefix as the middle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.settings import Settings
from tests.support import WORKER


@pytest.fixture
def make_client() -> Iterator[Callable[[], EngineClient]]:
    """Create clients of the scripted worker, not yet started, and close them at the end."""
    clients: list[EngineClient] = []

    def command(choice: Choice, folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named]

    def make() -> EngineClient:
        clients.append(EngineClient(Settings(backend="jax"), command))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
