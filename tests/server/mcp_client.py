"""MCP's own client, connected to a page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from tests.server.scripted_page import Page

KEY = "a-long-key-of-ours"

PATH = "/gradio_api/mcp/"


@asynccontextmanager
async def session(page: Page, key: str = KEY) -> AsyncIterator[ClientSession]:
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(page.url + PATH, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def call(page: Page, arguments: dict, name: str = "complete") -> CallToolResult:
    async with session(page) as asking:
        return await asking.call_tool(name, arguments)


def text_of(answer: CallToolResult) -> str:
    """Return the text of a result, which must have exactly one part."""
    [content] = answer.content
    assert isinstance(content, TextContent)
    return content.text
