"""The command line over the scripted worker: `python -m tests.support.scripted_shell complete …`.

`SCRIPTED_WORKER` holds further options of the worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codegemma_ui.client import lifecycle
from codegemma_ui.client.choice import Choice
from codegemma_ui.commands import main
from tests.support import WORKER


def command(choice: Choice, folder: Path, settings: Any) -> Sequence[str]:
    named = ("--preset", choice.preset.name, "--backend", choice.backend)
    return [sys.executable, str(WORKER), *named, *os.environ.get("SCRIPTED_WORKER", "").split()]


if __name__ == "__main__":
    lifecycle.worker_command = command  # type: ignore[assignment, attr-defined]
    main.main()
