"""`GET /healthz`: whether the engine serves, or is on its way to; free of login and of the Host check.

It tells nothing that a stranger could use: no preset's path, no error's words.
"""

from __future__ import annotations

from typing import Any

from codegemma_ui.messages import Status

PATH = "/healthz"


def report(status: Status) -> tuple[int, dict[str, Any]]:
    """The answer's status code, and its body.

    Returns:
        200 while the engine is ready, busy or on its way; 503 when it could not come up and nothing serves.
    """
    up = status.state != "failed"
    body: dict[str, Any] = {
        "status": "ok" if up else "failed",
        "state": status.state,
        "queue_length": status.queue_length,
    }
    if status.phase is not None:
        body["phase"] = status.phase
    if status.error is not None:
        body["error"] = status.error["code"]
    return (200 if up else 503), body
