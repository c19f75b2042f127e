"""The playground over `tests/support/scripted_worker.py`.

`python -m tools.reliability.scripted_app FLAGS -- OPTIONS`: flags are those of `app.py`; options go to the
worker.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codegemma_ui import settings
from codegemma_ui.client.choice import Choice
from codegemma_ui.client.client import EngineClient
from codegemma_ui.server import serving
from codegemma_ui.ui import layout
from tests.support import WORKER


def main() -> None:
    given = sys.argv[1:]
    at = given.index("--")
    parser = argparse.ArgumentParser()
    settings.add_serve_flags(parser)
    chosen = settings.resolve(parser.parse_args(given[:at]), environ={})

    def command(choice: Choice, _folder: Path) -> list[str]:
        named = ("--preset", choice.preset.name, "--backend", choice.backend)
        return [sys.executable, str(WORKER), *named, *given[at + 1 :]]

    client = EngineClient(chosen, command, most_waiting=chosen.queue_size)
    client.start()
    try:
        serving.launch(layout.build(client, chosen), client, chosen)
    finally:
        client.close()


main()
