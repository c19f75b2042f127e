"""The environment variables that Gradio (6.31) reads, set so that only our settings apply."""

from __future__ import annotations

import contextlib
import os

from codegemma_ui import cache_folder
from codegemma_ui.machine import proxies, returned_memory

_KEPT = ("GRADIO_ROOT_PATH", "GRADIO_TEMP_DIR")
"""Variables of Gradio's that an operator may set: `settings` reads the first, the other is for files."""


def before_import() -> None:
    """Set what is read when Gradio is imported; called before serving.

    A malformed `GRADIO_SERVER_PORT` or proxy ends that import, and `GRADIO_DEBUG`, `GRADIO_SERVER_NAME` or
    `GRADIO_NUM_WORKERS`, set for another program, keep the page from starting or serve it without our checks.
    """
    proxies.never_asked()
    returned_memory.settle()
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        if name not in _KEPT:
            del os.environ[name]
    # Gradio records each event for a page that is closed here, and aggregates 10,000 of them after each.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)
    # Otherwise each client that Gradio creates sends the operator's Hub token to any server.
    os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
    cache_folder.settle_matplotlib()
    # Gradio creates /tmp/gradio at its import, which belongs to another user if two run it.
    with contextlib.suppress(OSError):  # without a temporary folder there is no better place
        folder = cache_folder.usable("gradio").folder or cache_folder.private_temporary("gradio")
        os.environ.setdefault("GRADIO_TEMP_DIR", str(folder))


def before_blocks() -> None:
    """Set what is read when Blocks are built, and at each event."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # otherwise it contacts Gradio's server
    # If matplotlib is installed, Gradio queries its backend at every event, and the first query imports all
    # of it: half a second in which no request is served.
    os.environ.setdefault("MPLBACKEND", "agg")
