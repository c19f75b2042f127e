"""What Gradio (6.31) reads from the environment, settled before its import: only our settings govern it.

To be called by whoever serves, since some of it is read at import: a malformed `GRADIO_SERVER_PORT` or proxy
ends that import, and `GRADIO_DEBUG`, `GRADIO_SERVER_NAME` or `GRADIO_NUM_WORKERS`, set for another program,
keep the page from starting or serve it past our walls.
"""

from __future__ import annotations

import contextlib
import os

from codegemma_ui import cache_folder
from codegemma_ui.machine import proxies, returned_memory

_KEPT = ("GRADIO_ROOT_PATH", "GRADIO_TEMP_DIR")
"""Variables of Gradio's that an operator may set: `settings` reads the first, the other is for files."""


def settle() -> None:
    """Settle it for this process."""
    proxies.never_asked()
    returned_memory.settle()
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        if name not in _KEPT:
            del os.environ[name]
    # Gradio records each event for a page that is closed here, and sums 10,000 of them up after each.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)
    # Else each client that Gradio makes takes the operator's token for the hub along, wherever it goes.
    os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
    cache_folder.settle_matplotlib()
    # Gradio makes /tmp/gradio at its import, which is another user's where two run it.
    with contextlib.suppress(OSError):  # without room for temporary files there is no better place
        folder = cache_folder.usable("gradio").folder or cache_folder.private_temporary("gradio")
        os.environ.setdefault("GRADIO_TEMP_DIR", str(folder))
