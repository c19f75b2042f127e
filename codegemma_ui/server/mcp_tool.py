"""The model as an MCP tool, under `--mcp`: Gradio's own MCP server, around one function.

With `launch(mcp_server=True)` Gradio (6.31) makes each public endpoint of a page a tool, and calls those that
queue over HTTP from itself, where a login blocks it and a disconnect of the caller goes unnoticed. So the
tool is a separate `Blocks` that is never served: its one endpoint does not use Gradio's queue but the
client's, as everything else does. Only Gradio's streamable HTTP route for MCP is open, and it keeps no
sessions (https://www.gradio.app/guides/config-mcp-server-with-gradio).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import gradio as gr
from gradio.events import api
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from codegemma_ui import installation
from codegemma_ui.client.client import EngineClient
from codegemma_ui.errors import BadInput, PlaygroundError
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.ipc.messages import DoneEvent, ErrorEvent, Event
from codegemma_ui.server import bodies
from codegemma_ui.server.openai_api.key import ApiKey

PATHS = ("/gradio_api/mcp", "/gradio_api/mcp/")

METHODS = ("initialize", "ping", "tools/list", "tools/call")
"""The methods allowed in addition to notifications. For `resources/read` and `prompts/get` Gradio (6.31)
creates a client of itself, with the operator's Hub token, at the address in the caller's headers."""

_NO_SUCH_METHOD = -32601  # https://www.jsonrpc.org/specification#error_object

_ADDRESSES = (b"host", b"x-gradio-server")
"""Headers from which Gradio derives its own address, in addition to `x-forwarded-*`."""


class McpTool:
    """ASGI application that serves the model as an MCP tool.

    Args:
        client: the handle on the engine.
        key: required of callers; None lets everyone in.

    Raises:
        BadInput: the package is not installed.
    """

    def __init__(self, client: EngineClient, key: str | None) -> None:
        try:
            from gradio.mcp import GradioMCPServer

            self._server = GradioMCPServer(_tool_blocks(client))
        except ImportError as error:
            raise BadInput(
                f"--mcp needs a package that is not installed. Received: {error}",
                installation.install("mcp"),
            ) from error
        self._key = ApiKey(key)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncGenerator[None]:
        """Return the context that must be open while the server runs, as Gradio's `launch` takes it."""
        async with self._server.lifespan(app):
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request of this server's own pages or of a program.

        Raises:
            bodies.Refused: the method, the key or the body is wrong.
        """
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            raise bodies.Refused(
                405, "This address accepts only POST: streamable HTTP without sessions."
            )
        if not self._key.accepts(headers):
            raise bodies.Refused(401, "The key is missing or wrong: Authorization: Bearer KEY.")
        length = headers.get("content-length")
        declared = None if length is None else length.encode()
        body = await bodies.read(receive, declared, bodies.MAX_BODY_BYTES)
        payload = bodies.parse_json(headers.get("content-type", ""), body)
        method = str(payload.get("method"))
        if method not in METHODS and not method.startswith("notifications/"):
            error = {"code": _NO_SUCH_METHOD, "message": "This server has only tools."}
            refusal = {"jsonrpc": "2.0", "id": payload.get("id"), "error": error}
            await JSONResponse(refusal)(scope, receive, send)
            return
        own = {**scope, "headers": _without_address(scope["headers"])}
        await self._server.handle_streamable_http(own, bodies.again(body, receive), send)


def _without_address(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return a request's headers with a fixed host instead of those from which Gradio derives an address."""
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in _ADDRESSES and not name.lower().startswith(b"x-forwarded-")
    ]
    return [(b"host", b"localhost"), *kept]


def _tool_blocks(client: EngineClient) -> gr.Blocks:
    """Return the `Blocks` that hold the tool; they are never served."""

    async def complete(
        prefix: str,
        suffix: str = "",
        max_length: int = DEFAULT_MAX_LENGTH,
        temperature: float = 0.0,
        seed: int | None = None,
        path: str = "",
    ) -> str:
        """Write the code that belongs between a prefix and a suffix, with a model made for filling in.
        The answer is a JSON object: middle, stop_reason, prompt_tokens, completion_tokens, model.

        Args:
            prefix: The code before the cursor, exactly as it stands in the file.
            suffix: The code after the cursor, exactly as it stands in the file.
            max_length: The most tokens that prompt and middle may have together; 32 or more.
            temperature: 0 takes the likeliest token each time; up to 5 is more varied.
            seed: A number repeats a sample; without one each is new.
            path: The path of the file, for the model to read.
        """
        raw = {
            "prefix": prefix,
            "suffix": suffix,
            "max_length": max_length,
            "temperature": temperature,
            "seed": seed,
            "path": path,
        }
        last: Event | None = None
        with client.submit(raw) as generation:
            async for event in generation:
                last = event
        if isinstance(last, DoneEvent):
            return json.dumps(
                {
                    "middle": last.middle,
                    "stop_reason": last.stop_reason,
                    "prompt_tokens": last.prompt_tokens,
                    "completion_tokens": last.completion_tokens,
                    "model": last.preset,
                },
                ensure_ascii=False,
            )
        if isinstance(last, ErrorEvent):  # the caller receives its message
            raise PlaygroundError(last.message, last.hint)
        raise PlaygroundError("The completion was cancelled.")

    blocks: gr.Blocks
    with gr.Blocks(analytics_enabled=False) as blocks:
        api(complete, api_name="complete", queue=False)
    return blocks
