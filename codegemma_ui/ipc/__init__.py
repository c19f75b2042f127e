"""Messages between two processes, and both ends of the connection.

Contains requests, events and status as JSON (`messages`), starting and messaging a process (`parent`) and the
worker's side (`child`). Knows no model, no queue and no page. Imports `fim`, `errors` and the base modules:
settings, presets, machine, installation.
"""
