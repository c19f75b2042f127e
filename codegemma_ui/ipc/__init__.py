"""What crosses the line between two processes, and both ends of it.

Knows requests, events and status as JSON (`messages`), how a process is started and spoken to (`parent`)
and how a worker answers (`child`). Knows no model, no queue and no page. Imports `fim`, `errors` and the
ground: settings, presets, machine, installation.
"""
