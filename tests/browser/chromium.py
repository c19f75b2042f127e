"""Which Chromium the browser tests drive, and how it is started."""

from __future__ import annotations

import shutil

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")

MISSING = (
    "Chromium was not found: `apt-get install chromium` (or a `chromium` on the PATH), then run "
    "`python -m pytest tests/browser` again."
)

# No sandbox: CI runs as root in a container. The rest keeps Chromium from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
