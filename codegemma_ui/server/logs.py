"""The server's log: one JSON object a line on stderr, with request ids, without anybody's text.

What a person typed and what a model wrote never enters it. Gradio prints tracebacks by itself, and the
last line of a traceback often quotes a value; here they come as the error's type and its frames. The mcp
package quotes what a caller sent; here its lines say where it wrote them. Values of the operator's secrets
are masked in every line, whoever wrote it, and characters that a terminal obeys or does not show are escaped.
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
"""Controls that JSON leaves as they are, marks of direction and what else formats text, line separators, and
halves of a character: of a path that somebody asked for, they would move a cursor or reorder a line."""


class JsonLines(logging.Formatter):
    """A record as one line; `extra={"fields": {…}}` adds keys.

    Args:
        secrets: values that must not be seen.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = [json.dumps(each, ensure_ascii=False)[1:-1] for each in secrets]

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _said(record),
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


def _said(record: logging.LogRecord) -> str:
    """A record's message, without what a caller of MCP said."""
    if _MCP.search(record.pathname):
        return f"mcp: {record.module}:{record.lineno}"
    return record.getMessage()


def configure(level: str) -> None:
    """Write our log, and what libraries log in its place; `take_over_gradio` has what Gradio prints.

    Args:
        level: of `settings.LOG_LEVELS`; "info" has a line for each completion, "debug" one for each request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets.values()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("codegemma_ui").setLevel(level.upper())
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def take_over_uvicorn() -> None:
    """Let what uvicorn logs come as our lines too; it sets up its own when it starts."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def frames(error: BaseException) -> dict[str, Any]:
    """An error without its message, which may quote a person's text: its type, and where it came from."""
    where = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {"error": type(error).__name__, "frames": where[-8:]}


class _Frames(types.ModuleType):
    """Stands in Gradio's modules where they have `traceback`: `print_exc` logs instead of printing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(traceback, name)

    @staticmethod
    def print_exc(*_: Any, **__: Any) -> None:
        error = sys.exception()
        if error is not None:
            log.warning("an event could not be handled", extra={"fields": frames(error)})


def take_over_gradio() -> None:
    """Let what Gradio prints come as our lines too; importing it takes seconds."""
    from gradio import queueing, route_utils, routes

    for module in (queueing, route_utils, routes):
        module.traceback = _Frames("traceback")  # type: ignore[attr-defined]


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
) -> None:
    first = str(message).strip().partition("\n")[0]  # what follows may list the values that came
    fields = {"category": category.__name__, "at": f"{filename}:{lineno}"}
    log.debug("%s", first, extra={"fields": fields})
