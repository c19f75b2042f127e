"""`GET /healthz`: whether the engine serves or is starting; exempt from login and Host check.

It reveals nothing sensitive: no preset path, no error message.
"""

from __future__ import annotations

from typing import Any

from codegemma_ui.ipc.messages import Status

PATH = "/healthz"


def report(status: Status) -> tuple[int, dict[str, Any]]:
    """Return the status code and body of the response.

    Returns:
        200 while the engine is ready, busy or starting; 503 when it failed to start and nothing serves, and
        while the model's process does not respond.
    """
    failed, quiet = status.state == "failed", status.phase == "quiet"
    body: dict[str, Any] = {
        "status": "failed" if failed else "quiet" if quiet else "ok",
        "state": status.state,
        "queue_length": status.queue_length,
    }
    if status.phase is not None:
        body["phase"] = status.phase
    if status.error is not None:
        body["error"] = status.error["code"]
    if status.retry_in_s is not None:
        body["retry_in_s"] = round(status.retry_in_s, 1)
    return (503 if failed or quiet else 200), body
