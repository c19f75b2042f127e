"""Serving the page: Gradio's server with its extras off, behind our own middleware.

`serving` starts and stops it; `assets` holds the theme, stylesheets and scripts. A request passes these
checks in order (`guard`): health, hosts, metrics, routes, login, origins, bodies; then it reaches Gradio.
Requests of other tools (`openai_api`, `mcp_tool`) branch off after hosts and origins. Every response carries
the headers of `policy` and writes one line to `logs`.
"""
