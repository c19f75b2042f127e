"""Make uv use pip's package index and certificates, unless its own variables name others."""

from __future__ import annotations

import os
import subprocess
import sys

OUT_OF_REACH = ("client error", "error sending request", "dns error", "connection", "timed out")
"""What uv says, in small letters, where no index answers."""


def pip_setting(name: str) -> str | None:
    """Return a setting of `pip config list`; variables take precedence over files."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    ).stdout
    found = {
        line.partition("=")[0].partition(".")[2]: line.partition("=")[2].strip("'")
        for line in listed.splitlines()
        if line.startswith("global.") or line.startswith(":env:.")
    }
    return found.get(name)


def variables() -> dict[str, str]:
    """Return our environment, with pip's settings translated for uv."""
    index, certificates = pip_setting("index-url"), pip_setting("cert")
    found = dict(os.environ)
    if index:
        found.setdefault("UV_DEFAULT_INDEX", index)
    if certificates:
        found.setdefault("SSL_CERT_FILE", certificates)
    return found


def out_of_reach(said: str) -> bool:
    """Return whether uv failed because no index responded."""
    return any(one in said.lower() for one in OUT_OF_REACH)
