"""The model as a tool over MCP, under `--mcp`: Gradio's own MCP server, around one function.

Under `launch(mcp_server=True)` Gradio (6.31) makes a tool of each public endpoint of a page, and calls those
that queue over HTTP from itself, where a login stands in the way and a caller who leaves is not noticed. So
the tool is a page of its own without a face: it is never served, its one endpoint does not queue, and it goes
through the queue that all others use. Of Gradio's addresses for MCP only that of streamable HTTP is open, and
it keeps no sessions (https://www.gradio.app/guides/config-mcp-server-with-gradio).
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
"""What is answered beside notifications. For `resources/read` and `prompts/get` Gradio (6.31) makes a client
of itself, with the operator's token for the hub, at the address that the caller's headers name."""

_NO_SUCH_METHOD = -32601  # https://www.jsonrpc.org/specification#error_object

_ADDRESSES = (b"host", b"x-gradio-server")
"""Headers from which Gradio reckons its own address, beside those that begin with `x-forwarded-`."""


class McpTool:
    """ASGI: see the module.

    Args:
        client: the engine's handle.
        key: that callers must bring; None lets everyone in.

    Raises:
        BadInput: the package is not installed.
    """

    def __init__(self, client: EngineClient, key: str | None) -> None:
        try:
            from gradio.mcp import GradioMCPServer

            self._server = GradioMCPServer(_faceless(client))
        except ImportError as error:
            raise BadInput(
                f"--mcp needs a package that is not installed. Received: {error}",
                installation.install("mcp"),
            ) from error
        self._key = ApiKey(key)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncGenerator[None]:
        """What must be open while the server runs, as Gradio's `launch` takes it."""
        async with self._server.lifespan(app):
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of this server's own pages or of a program.

        Raises:
            bodies.Refused.
        """
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            raise bodies.Refused(
                405, "This address takes POST, as streamable HTTP without sessions."
            )
        if not self._key.accepts(headers):
            raise bodies.Refused(401, "The key is missing or wrong: Authorization: Bearer KEY.")
        length = headers.get("content-length")
        declared = None if length is None else length.encode()
        body = await bodies.read(receive, declared, bodies.MAX_BODY_BYTES)
        asked = bodies.parse_json(headers.get("content-type", ""), body)
        method = str(asked.get("method"))
        if method not in METHODS and not method.startswith("notifications/"):
            error = {"code": _NO_SUCH_METHOD, "message": "This server has tools alone."}
            refusal = {"jsonrpc": "2.0", "id": asked.get("id"), "error": error}
            await JSONResponse(refusal)(scope, receive, send)
            return
        own = {**scope, "headers": _of_nobody(scope["headers"])}
        await self._server.handle_streamable_http(own, bodies.again(body, receive), send)


def _of_nobody(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """A request's headers with none of the caller's that decides an address."""
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in _ADDRESSES and not name.lower().startswith(b"x-forwarded-")
    ]
    return [(b"host", b"localhost"), *kept]


def _faceless(client: EngineClient) -> gr.Blocks:
    """The page that is never shown."""

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
        if isinstance(last, ErrorEvent):  # the caller is told its words
            raise PlaygroundError(last.message, last.hint)
        raise PlaygroundError("It was stopped.")

    blocks: gr.Blocks
    with gr.Blocks(analytics_enabled=False) as blocks:
        api(complete, api_name="complete", queue=False)
    return blocks
