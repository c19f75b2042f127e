"""Start and shutdown: Gradio's `launch` with its extras off, behind our middleware, until a signal."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import gradio as gr
from gradio.exceptions import ServerFailedToStartError
from gradio.routes import App, ORJSONResponse
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from codegemma_ui.client.client import EngineClient
from codegemma_ui.machine import interrupts, returned_memory
from codegemma_ui.server import addresses, logs
from codegemma_ui.server.allowlist import RouteAllowlist
from codegemma_ui.server.assets import page_assets
from codegemma_ui.server.ended_events import free_ended_events
from codegemma_ui.server.endpoints import Endpoints
from codegemma_ui.server.guard import GuardConfig, GuardMiddleware
from codegemma_ui.server.hosts import Hosts
from codegemma_ui.server.listener import Listener
from codegemma_ui.server.login import Login, PageApiInfo
from codegemma_ui.server.mcp_tool import McpTool
from codegemma_ui.server.metrics import Metrics
from codegemma_ui.server.openai_api import OpenAIApi
from codegemma_ui.server.policy import PagePolicy
from codegemma_ui.server.sessions import Sessions
from codegemma_ui.server.unfetched import Unfetched
from codegemma_ui.settings import Settings
from codegemma_ui.ui import layout

MAX_SESSIONS = 400
"""Sessions whose state Gradio (6.31) keeps, the most recently used; each takes 0.1 MB, and every opened page
or invented session name begins one. A page whose state is dropped is sent everything at its next status
poll."""

QUEUE_POLL_S = 0.004
"""Seconds between two looks of Gradio (6.31) at its queue. At its own value, a millisecond, they take 5% of a
core, also while nobody is there."""

LOOK_S = 0.5
"""Seconds between two checks for a signal: on Windows none is delivered during an unbounded wait."""


_api_info: ContextVar[Any] = ContextVar("api_info", default=None)


class GuardedApp(App):
    """Gradio's application with our middleware outside its own, which `app_kwargs` cannot do."""

    def __init__(self, config: GuardConfig, inside: Sequence[Middleware]) -> None:
        super().__init__(
            default_response_class=ORJSONResponse, middleware=[Middleware(PagePolicy), *inside]
        )
        self._config = config
        self.state_holder = Sessions()  # type: ignore[no-untyped-call]
        self.page_api_info = PageApiInfo()

    @property
    def api_info(self) -> Any:
        """The response of `/info`, with the address by which this caller reached us; built for each caller.

        Gradio (6.31) would cache the first caller's for all.
        """
        return _api_info.get()

    @api_info.setter
    def api_info(self, info: Any) -> None:
        _api_info.set(info)

    def build_middleware_stack(self) -> ASGIApp:
        return GuardMiddleware(super().build_middleware_stack(), self._config)


def start(
    blocks: gr.Blocks, client: EngineClient, settings: Settings, metrics: Metrics | None = None
) -> Listener:
    """Start serving.

    Args:
        blocks: from `ui.layout.build`.
        client: the handle on the same engine; health uses its status.
        settings: host and port (0 for any free port), or a unix socket.
        metrics: of the same engine, from `observed.observe`.

    Raises:
        BadInput: the address cannot be listened on, or the TLS files are invalid.
    """
    port = addresses.check(settings)
    host = settings.host.strip("[]")
    listener = Listener(settings)
    login = Login(*settings.auth) if settings.auth else None
    mcp = McpTool(client, settings.api_key) if settings.mcp else None
    config = GuardConfig(
        hosts=Hosts.of(settings.host, settings.allowed_hosts),
        routes=RouteAllowlist(api=settings.api),
        endpoints=Endpoints.of(blocks),
        status=client.status,
        metrics=metrics if settings.metrics else None,
        login=login,
        other_tools=(OpenAIApi(client, settings.api_key) if settings.openai_api else None),
        mcp=mcp,
        root_path=settings.root_path,
        runs=lambda event: event in blocks._queue.event_ids_to_events,
    )
    Unfetched(blocks._queue)
    free_ended_events(blocks._queue)
    blocks._queue.sleep_when_free = QUEUE_POLL_S
    blocks._queue.progress_update_sleep_when_free = 1.0  # there are no progress bars of Gradio's
    try:
        with listener.in_gradios_place():
            blocks.launch(
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                root_path=settings.root_path,
                ssl_verify=False,  # its startup request to itself, at an address without a certificate
                auth=login,
                prevent_thread_lock=True,
                quiet=True,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                share=False,
                pwa=False,
                mcp_server=False,  # `mcp_tool` has its own `Blocks`
                max_file_size=0,
                state_session_capacity=MAX_SESSIONS,
                # Each running or waiting request takes a Gradio thread, as does one that will be refused.
                max_threads=settings.queue_size + 64,
                app_kwargs={"lifespan": mcp.lifespan} if mcp else None,
                _app=GuardedApp(config, layout.middleware(blocks, client)),
                **page_assets(),
            )
        returned_memory.keep_what_is_here()
    except (OSError, ServerFailedToStartError) as error:
        if getattr(error, "errno", None) is not None:  # not Gradio's own, which is about the port
            raise
        raise addresses.refused(settings.host, port) from error
    return listener


def launch(
    blocks: gr.Blocks, client: EngineClient, settings: Settings, metrics: Metrics | None = None
) -> None:
    """Serve until a signal of `interrupts.ENDING`, then close the engine and the page."""
    stopped = threading.Event()
    for name in interrupts.ENDING:
        signal.signal(name, lambda *_: stopped.set())
    logs.take_over_gradio()
    listener = start(blocks, client, settings, metrics)
    logs.take_over_uvicorn()
    with contextlib.suppress(BrokenPipeError):  # its reader is gone; keep serving
        print(f"CodeGemma FIM Playground: {listener.url}", flush=True)
    while not stopped.wait(LOOK_S):
        pass
    client.close()  # first: it ends the streams that hold connections open
    blocks.close(verbose=False)
    listener.end()
