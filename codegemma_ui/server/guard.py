"""What a request meets before Gradio does: the outermost ASGI layer.

Each wall is a file of its own; here they stand in their order. An answer of a wall is a short JSON object,
and so is what is left of an exception that Gradio did not catch.
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
from codegemma_ui.server.answers import refuse
from codegemma_ui.server.endpoints import Endpoints
from codegemma_ui.server.hosts import FOREIGN, Hosts
from codegemma_ui.server.login import UNKNOWN, Login, admits
from codegemma_ui.server.mcp_tool import McpTool
from codegemma_ui.server.openai_api import OpenAIApi
from codegemma_ui.ui import overload

log = logging.getLogger(__name__)

_EVENTS = "/gradio_api/run/"

_CALL = "/gradio_api/call/"

# Bodies of these carry a program; of all others, a few words.
_LONG_BODIES = ("/gradio_api/queue/join", _EVENTS, _CALL)


@dataclass(frozen=True)
class GuardConfig:
    """What the walls stand around.

    Attributes:
        status: the engine's.
        metrics: None closes `/metrics`.
        login: None is open to everyone.
        other_tools: None closes the addresses for other tools.
        mcp: None closes the one for MCP.
        root_path: what a proxy puts before each path; one that takes it away again is served too.
        runs: whether an event has not ended yet, by its id.
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
    """ASGI: see the module."""

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
        said = _Said(scope, send)
        try:
            await self._pass(scope, receive, said.send)
        except bodies.Refused as refused:
            # In the shape of Gradio's own refusals.
            response = JSONResponse({"detail": refused.said}, refused.status)
            await refuse(response, scope, receive, said.send, unread=refused.unread)
        except Exception as error:
            log.warning("request failed", extra={"fields": {**said.fields(), **logs.frames(error)}})
            if said.status is None:
                failed = f"The server failed at this (request {said.request_id})."
                await JSONResponse({"detail": failed}, 500)(scope, receive, said.send)
            else:
                await said.end()
        finally:
            if said.status is not None and said.status >= 400 and self._config.metrics:
                self._config.metrics.refusals.labels(str(said.status)).inc()
            level = logging.INFO if (said.status or 0) >= 400 else logging.DEBUG
            log.log(level, "request", extra={"fields": said.fields()})

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
                400, "This host is not served here. The operator can name it: --allowed-host."
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
        """An event that was accepted has its body until it ends; its caller has had the answer."""
        until_s = time.monotonic() + bodies.EVENT_S
        while self._config.runs(event) and time.monotonic() < until_s:
            await asyncio.sleep(bodies.EVENT_LOOK_S)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is asked of a host of ours."""
        config, headers = self._config, Headers(scope=scope)
        method, path, host = scope["method"], scope["path"], headers.get("host")
        origin = headers.get("origin")
        if origin is not None:
            foreign = not config.hosts.trusts(origin, host or "")
        else:  # a program, or a browser that says at least from where it asks
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
                raise bodies.Refused(405, "This address does not take that method.")
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
    """Hears the event that a request began, as Gradio (6.31) answers it: `{"event_id": …}`."""

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


class _Said:
    """What was answered, and the headers that every answer carries."""

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
        """Gradio (6.31) says 500 where an event could not take the values that came for it."""
        return 422 if status == 500 and self._scope["path"].startswith(_EVENTS) else status

    async def end(self) -> None:
        """End a stream that broke off, so that its reader sees what came and an end."""
        if not self._ended:
            with contextlib.suppress(Exception):  # where a length was promised it cannot be kept
                await self._send({"type": "http.response.body", "body": b""})

    def fields(self) -> dict[str, object]:
        """For the log: neither a query nor a body."""
        return {
            "request_id": self.request_id,
            "method": self._scope["method"],
            "path": self._scope["path"][:100],
            "status": self.status,
            "seconds": round(self._took_s or time.monotonic() - self._began_s, 4),
        }


async def _body(scope: Scope, receive: Receive, config: GuardConfig) -> tuple[Scope, Receive]:
    """Read and judge the body, and give it again, with what it leaves out.

    Raises:
        bodies.Refused.
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
    """The request as Gradio is to see it.

    Its own CORS layer (6.31) lets every origin in, with cookies, unless the host is a loopback name; without
    an `Origin` it says nothing, and the browser keeps other pages out. It writes the name in
    `X-Forwarded-Host` into the page as its own address, so that must be one of ours; and so what stands in
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
