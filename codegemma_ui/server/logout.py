"""`POST /logout`: ends the session of the request, and no other.

Gradio's own (6.31) accepts a GET, which any page can cause with an image, and ends every session of the user.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from codegemma_ui.server.login import cookie_names

PATHS = ("/logout", "/logout/")


async def end_session(scope: Scope, receive: Receive, send: Send) -> None:
    """Revoke the login of a request, and redirect to the form."""
    app, cookies = scope["app"], HTTPConnection(scope).cookies
    answer = RedirectResponse("./", 303)
    for name in cookie_names(app):
        app.tokens.pop(cookies.get(name), None)
        answer.delete_cookie(name, httponly=True)
    await answer(scope, receive, send)
