"""The outermost ASGI middleware: every check that a request passes before it reaches Gradio.

Each check has its own file; this one runs them in order. A refusal is a short JSON object, and so is the
response to an exception that Gradio did not catch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codegemma_ui.ipc.messages import Status
from codegemma_ui.server import allowlist, bodies, health, logout, logs, mcp_tool, metrics, policy
from codegemma_ui.server.endpoints import Endpoints
from codegemma_ui.server.hosts import FOREIGN, Hosts
from codegemma_ui.server.login import UNKNOWN, Login, admits
from codegemma_ui.server.mcp_tool import McpTool
from codegemma_ui.server.openai_api import OpenAIApi
from codegemma_ui.server.refusals import refuse
from codegemma_ui.ui import overload

log = logging.getLogger(__name__)

_EVENTS = "/gradio_api/run/"

_CALL = "/gradio_api/call/"

# The bodies of these requests carry code; those of all others are short.
_LONG_BODIES = ("/gradio_api/queue/join", _EVENTS, _CALL)


@dataclass(frozen=True)
class GuardConfig:
    """The configuration of `GuardMiddleware`.

    Attributes:
        status: returns the engine's status.
        metrics: None closes `/metrics`.
        login: None is open to everyone.
        other_tools: None closes the routes for other tools.
        mcp: None closes the MCP route.
        root_path: the prefix a proxy adds to each path; a proxy that strips it is served too.
        runs: returns whether the event with an id is still running.
    """

    hosts: Hosts
    routes: allowlist.RouteAllowlist
    endpoints: Endpoints
    status: Callable[[], Status]
    metrics: metrics.Metrics | None = None
    login: Login | None = None
    other_tools: OpenAIApi | None = None
    mcp: McpTool | None = None
    root_path: str = ""
    runs: Callable[[str], bool] = lambda _: False


class GuardMiddleware:
    """ASGI middleware that runs every check in order."""

    def __init__(self, app: ASGIApp, config: GuardConfig) -> None:
        self._app, self._config = app, config
        self._long_bodies = bodies.LongBodies()
        self._prefix = urlsplit(config.root_path).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # Gradio has none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._answer(self._without_prefix(scope), receive, send)

    def _without_prefix(self, scope: Scope) -> Scope:
        prefix, path = self._prefix, scope["path"]
        if not prefix or not (path == prefix or path.startswith(f"{prefix}/")):
            return scope
        raw = scope["raw_path"].removeprefix(prefix.encode()) or b"/"
        return {**scope, "path": path.removeprefix(prefix) or "/", "raw_path": raw}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _Response(scope, send)
        try:
            await self._pass(scope, receive, response.send)
        except bodies.Refused as refused:
            # In the shape of Gradio's own refusals.
            refusal = JSONResponse({"detail": refused.reason}, refused.status)
            await refuse(refusal, scope, receive, response.send, unread=refused.unread)
        except Exception as error:
            fields = {**response.fields(), **logs.frames(error)}
            log.warning("request failed", extra={"fields": fields})
            if response.status is None:
                failed = f"The server failed on this request ({response.request_id})."
                await JSONResponse({"detail": failed}, 500)(scope, receive, response.send)
            else:
                await response.end()
        finally:
            if response.status is not None and response.status >= 400 and self._config.metrics:
                self._config.metrics.refusals.labels(str(response.status)).inc()
            level = logging.INFO if (response.status or 0) >= 400 else logging.DEBUG
            log.log(level, "request", extra={"fields": response.fields()})

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        config, headers = self._config, Headers(scope=scope)
        method, path = scope["method"], scope["path"]
        if path == health.PATH and method in allowlist.READ:
            status, report = health.report(config.status())
            await JSONResponse(report, status)(scope, receive, send)
            return
        host = headers.get("host")
        if not config.hosts.knows(host) or len(headers.getlist("host")) != 1:
            raise bodies.Refused(
                400, "This host is not served here. The operator can add it with --allowed-host."
            )
        if path == metrics.PATH and method in allowlist.READ and config.metrics is not None:
            await self._scrape(config.metrics, headers)(scope, receive, send)
            return
        if len(scope["query_string"]) > allowlist.MAX_QUERY_BYTES:
            raise bodies.Refused(
                414, f"A query may have at most {allowlist.MAX_QUERY_BYTES:,} bytes."
            )
        if method != "POST":
            await self._enter(scope, receive, send)
            return
        async with self._long_bodies.body(receive) as body:
            accepted = _Accepted(send)
            await self._enter(scope, body.receive, accepted.send)
            if body.long and (event := accepted.event()):
                await self._until_ended(event)

    async def _until_ended(self, event: str) -> None:
        """Hold the room of an accepted event's body until it ends; its caller already has the response."""
        until_s = time.monotonic() + bodies.EVENT_S
        while self._config.runs(event) and time.monotonic() < until_s:
            await asyncio.sleep(bodies.EVENT_LOOK_S)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request to one of our hosts."""
        config, headers = self._config, Headers(scope=scope)
        method, path, host = scope["method"], scope["path"], headers.get("host")
        origin = headers.get("origin")
        if origin is not None:
            foreign = not config.hosts.trusts(origin, host or "")
        else:  # a program, or a browser that sends at least its site
            foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if config.other_tools is not None and config.other_tools.has(path):
            await config.other_tools(scope, receive, send, foreign)
            return
        if config.mcp is not None and path in mcp_tool.PATHS:
            if foreign:
                raise bodies.Refused(403, FOREIGN)
            await config.mcp(_for_gradio(scope, config.hosts), receive, send)
            return
        match config.routes.judge(method, path):
            case "closed":
                raise bodies.Refused(404, "Not found.")
            case "wrong_method":
                raise bodies.Refused(405, "This address does not allow that method.")
        if config.login is not None and not admits(scope):
            raise bodies.Refused(401, UNKNOWN, unread=method == "POST")
        if method == "POST":
            if foreign:
                raise bodies.Refused(403, FOREIGN)
            if path in logout.PATHS:
                await logout.end_session(scope, receive, send)
                return
            scope, receive = await _body(scope, receive, config)
        await self._app(_for_gradio(scope, config.hosts), receive, send)

    def _scrape(self, counted: metrics.Metrics, headers: Headers) -> Response:
        login = self._config.login
        if login is not None and not login.accepts(headers.get("authorization")):
            challenge = {"www-authenticate": 'Basic realm="metrics"'}
            return JSONResponse({"detail": UNKNOWN}, 401, challenge)
        return Response(counted.page(), headers={"content-type": metrics.KIND})


class _Accepted:
    """Captures the id of the event that a request began, from Gradio's (6.31) response: `{"event_id": …}`."""

    _MOST_BYTES = 200

    def __init__(self, send: Send) -> None:
        self._send = send
        self._body = b""

    async def send(self, message: Message) -> None:
        body = message.get("body", b"")
        if len(self._body) + len(body) <= self._MOST_BYTES:
            self._body += body
        await self._send(message)

    def event(self) -> str | None:
        try:
            answer = orjson.loads(self._body)
        except orjson.JSONDecodeError:
            return None
        event = answer.get("event_id") if isinstance(answer, dict) else None
        return event if isinstance(event, str) else None


class _Response:
    """The response to one request: adds the common headers, and records it for the log."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = uuid.uuid4().hex[:12]
        self.status: int | None = None
        self._scope, self._send = scope, send
        self._began_s = time.monotonic()
        self._ended = False
        self._took_s: float | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = self._status(message["status"])
            given = [*message["headers"], *policy.HEADERS]
            if not any(name.lower() == policy.POLICY_HEADER for name, _ in given):
                given.append((policy.POLICY_HEADER, policy.content_policy()))
            given.append((b"x-request-id", self.request_id.encode()))
            message = {**message, "status": self.status, "headers": given}
        self._ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)
        if self._ended:
            self._took_s = time.monotonic() - self._began_s

    def _status(self, status: int) -> int:
        """Correct Gradio's (6.31) 500 for an event that could not take its values."""
        return 422 if status == 500 and self._scope["path"].startswith(_EVENTS) else status

    async def end(self) -> None:
        """End a stream that broke off, so that the client gets what was sent and an end."""
        if not self._ended:
            with contextlib.suppress(Exception):  # a declared length cannot be kept
                await self._send({"type": "http.response.body", "body": b""})

    def fields(self) -> dict[str, object]:
        """Return the fields for the log, without query and body."""
        return {
            "request_id": self.request_id,
            "method": self._scope["method"],
            "path": self._scope["path"][:100],
            "status": self.status,
            "seconds": round(self._took_s or time.monotonic() - self._began_s, 4),
        }


async def _body(scope: Scope, receive: Receive, config: GuardConfig) -> tuple[Scope, Receive]:
    """Read and check the body; return a scope and a `receive` that replay it, with defaults added.

    Raises:
        bodies.Refused: the body cannot be accepted.
    """
    path, headers = scope["path"], MutableHeaders(raw=list(scope["headers"]))
    most = bodies.MAX_BODY_BYTES if path.startswith(_LONG_BODIES) else bodies.MAX_SMALL_BODY_BYTES
    length = headers.get("content-length")
    body = await bodies.read(receive, None if length is None else length.encode(), most)
    if not path.startswith("/login"):  # a form
        parsed = bodies.parse_json(headers.get("content-type", ""), body)
        filled = config.endpoints.check(path, parsed)
        if filled is not parsed:
            body = orjson.dumps(filled)
            headers["content-length"] = str(len(body))
        scope = {**scope, overload.BODY: filled}
    return {**scope, "headers": headers.raw}, bodies.again(body, receive)


def _for_gradio(scope: Scope, hosts: Hosts) -> Scope:
    """Return the request as Gradio is to see it.

    Gradio's CORS middleware (6.31) allows every origin, with cookies, unless the host is a loopback name;
    without an `Origin` it adds no header, and the browser keeps other pages out. It writes the name in
    `X-Forwarded-Host` into the page as its own address, so that must be one of ours. It does the same with
    `X-Gradio-Server`, which is for a server of its own that we do not start.
    """
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"origin", b"x-gradio-server")
        and not (
            name == b"x-forwarded-host"
            and not hosts.knows(value.decode("latin-1").partition(",")[0].strip())
        )
    ]
    query = allowlist.query_for_gradio(scope["query_string"])
    return {**scope, "headers": headers, "query_string": query}
