"""The server's log: one JSON object per line on stderr, with request ids and no user text.

Typed and generated text never enters it. Gradio prints tracebacks by itself, and the last line of a traceback
often quotes a value; here they are logged as the error's type and frames. The mcp package quotes requests;
its messages are replaced by their source location. The operator's secrets are masked in every line, and
control and invisible characters are escaped.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
import types
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from codegemma_ui import secrets
from codegemma_ui.secrets import masked

log = logging.getLogger("codegemma_ui.gradio")


_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001-\U000e007f]"
)
"""Control characters that JSON does not escape, direction marks and other format characters, line separators,
and lone surrogates: in a requested path they would move the terminal's cursor or reorder a line."""


class JsonLines(logging.Formatter):
    """Formats a record as one line; `extra={"fields": {…}}` adds keys.

    Args:
        secrets: values to mask.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = [json.dumps(each, ensure_ascii=False)[1:-1] for each in secrets]

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **getattr(record, "fields", {}),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.name.startswith("codegemma_ui"):
            line["traceback"] = self.formatException(record.exc_info)  # type: ignore[arg-type]
        elif error is not None:
            line |= frames(error)
        written = json.dumps(line, ensure_ascii=False, default=str)
        return _UNSEEN.sub(_escaped, masked(written, self._secrets))


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


_MCP = re.compile(r"[/\\](?:site|dist)-packages[/\\]mcp[/\\]")


def _message(record: logging.LogRecord) -> str:
    """Return a record's message, without the content of MCP requests."""
    if _MCP.search(record.pathname):
        return f"mcp: {record.module}:{record.lineno}"
    return record.getMessage()


def configure(level: str) -> None:
    """Set up our log, and send the logs of libraries to it; `take_over_gradio` handles what Gradio prints.

    Args:
        level: one of `settings.LOG_LEVELS`; "info" logs each completion, "debug" each request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets.values()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("codegemma_ui").setLevel(level.upper())
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def take_over_uvicorn() -> None:
    """Send uvicorn's log to ours; uvicorn sets up its own handlers when it starts."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def frames(error: BaseException) -> dict[str, Any]:
    """Return an error's type and frames, without its message, which may quote user text."""
    where = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {"error": type(error).__name__, "frames": where[-8:]}


class _Frames(types.ModuleType):
    """Replaces `traceback` in Gradio's modules: `print_exc` logs instead of printing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(traceback, name)

    @staticmethod
    def print_exc(*_: Any, **__: Any) -> None:
        error = sys.exception()
        if error is not None:
            log.warning("an event could not be handled", extra={"fields": frames(error)})


def take_over_gradio() -> None:
    """Send what Gradio prints to our log; the import takes seconds."""
    from gradio import queueing, route_utils, routes

    for module in (queueing, route_utils, routes):
        module.traceback = _Frames("traceback")  # type: ignore[attr-defined]


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
) -> None:
    first = str(message).strip().partition("\n")[0]  # further lines may list received values
    fields = {"category": category.__name__, "at": f"{filename}:{lineno}"}
    log.debug("%s", first, extra={"fields": fields})
