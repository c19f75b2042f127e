"""Serving the page: Gradio's server with its extras off, and walls around it.

`serving` launches it and ends it; `assets` is the look it hands to Gradio. A request passes, in this order
(`walls`): health, hosts, origins, metrics, doors, bodies; then it is Gradio's. Every answer carries the
headers of `policy` and one line of `logs`.
"""

from codegemma_ui.server.serving import launch, start

__all__ = ["launch", "start"]
