"""The allowlist of Gradio routes that the page and the API use; every other path is closed.

Gradio 6.31 has some sixty routes: files, uploads, proxies, deep links, monitoring, run history, server
functions of components, an editor of its own source. The page needs none of those, and an unreachable route
needs no protection. Pure.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl, urlencode

Verdict = Literal["open", "wrong_method", "closed"]

READ = frozenset({"GET", "HEAD"})
SEND = frozenset({"POST"})

_NAME = r"[\w.-]{1,100}"
_FILE = r"[\w./@+-]{1,200}"

# What a browser needs to show the page and poll the engine's status.
_PAGE = (
    (READ, r"/"),
    (READ, r"/config/?"),
    (READ, rf"/(?:static|assets|svelte)/{_FILE}"),
    (READ, r"/(?:gradio_api/)?theme\.css"),
    (READ, r"/(?:favicon\.ico|robots\.txt|manifest\.json)"),
    (READ, r"/gradio_api/(?:startup-events|app_id|user|login_check|queue/status)/?"),
    (READ, rf"/gradio_api/heartbeat/{_NAME}"),
    (READ, r"/gradio_api/queue/data"),
    (SEND, r"/gradio_api/queue/join"),
    (SEND, rf"/gradio_api/run/{_NAME}/?"),
    (SEND, r"/gradio_api/(?:cancel|reset)/?"),
    (SEND, r"/login/?"),
    (SEND, r"/logout/?"),
)

# What an API client needs in addition, to discover the two endpoints and call them by name.
_API = (
    (READ, r"/gradio_api/(?:info|openapi\.json)/?"),
    (SEND, rf"/gradio_api/call/(?:v2/)?{_NAME}/?"),
    (READ, rf"/gradio_api/call/(?:v2/)?{_NAME}/{_NAME}"),
)

MAX_QUERY_BYTES = 4000

# Query parameters that make Gradio's page load a saved state, or another page of a multi-page app.
_IGNORED = frozenset({"deep_link", "page"})


class RouteAllowlist:
    """The routes that are open.

    Args:
        api: whether the public API is open in addition to the page.
    """

    def __init__(self, *, api: bool = True) -> None:
        self._routes = [
            (methods, re.compile(path)) for methods, path in (*_PAGE, *(_API if api else ()))
        ]

    def judge(self, method: str, path: str) -> Verdict:
        """Return whether a request may reach Gradio."""
        if ".." in path or "//" in path:
            return "closed"
        found: Verdict = "closed"
        for methods, route in self._routes:
            if route.fullmatch(path):
                if method in methods:
                    return "open"
                found = "wrong_method"
        return found


def query_for_gradio(query: bytes) -> bytes:
    """Return a query string without the parameters that a client must not set."""
    # Names are compared percent-decoded, as Gradio does.
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in _IGNORED]
    return query if len(kept) == len(pairs) else urlencode(kept).encode()
