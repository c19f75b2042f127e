"""The Chromium of the browser tests: its location and its flags."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")

MISSING = (
    "Chromium was not found: `apt-get install chromium` (or a `chromium` on the PATH), then run "
    "`python -m pytest tests/browser` again."
)

# No sandbox: CI runs as root in a container. The other flags disable Chromium's own requests.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    """Start it."""
    return playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
