"""`python -m codegemma_ui serve`: serve the page; the default without a command."""

from __future__ import annotations

import argparse
from dataclasses import replace

from codegemma_ui import settings
from codegemma_ui.commands.shell import Commands


def add_parser(commands: Commands) -> None:
    """Add `serve` with its flags."""
    parser = commands.add_parser("serve", help="serve the page")
    settings.add_serve_flags(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Serve until a signal arrives.

    Raises:
        BadInput: it cannot listen there, or the settings conflict.
    """
    from codegemma_ui.server import addresses
    from codegemma_ui.ui import gradio_setup

    chosen = settings.resolve(parsed)
    chosen = replace(chosen, port=addresses.check(chosen))
    gradio_setup.before_import()
    from codegemma_ui.client.client import EngineClient
    from codegemma_ui.server import logs
    from codegemma_ui.server.observed import observe

    logs.configure(chosen.log_level)
    client = EngineClient(chosen, most_waiting=chosen.queue_size)
    metrics = observe(client)
    client.start()
    try:
        # Gradio is imported while the worker imports its framework: each takes seconds.
        from codegemma_ui.server import serving
        from codegemma_ui.ui import layout

        serving.launch(layout.build(client, chosen), client, chosen, metrics)
    finally:
        client.close()
