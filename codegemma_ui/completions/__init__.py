"""Uses of a finished completion. Pure.

Contains its JSON form (`recording`), comparisons with another layout or without its suffix (`likelihood`),
and scripts for other programs (`snippets/`). Knows neither the engine nor the page. Imports `ipc`, `fim` and
the base modules.
"""
