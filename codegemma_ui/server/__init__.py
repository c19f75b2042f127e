"""Serving the page: Gradio's server with its extras off, and walls around it.

`serving` launches it and ends it; `assets` is the look it hands to Gradio. A request passes, in this order
(`guard`): health, hosts, metrics, routes, login, origins, bodies; then it is Gradio's. What other tools ask
for (`openai_api`, `mcp_tool`) turns off behind hosts and origins. Every answer carries the headers of
`policy` and one line of `logs`.
"""
