"""What can be made of a completion that has ended. Pure.

Knows it as JSON (`recording`), beside another layout or without its suffix (`likelihood`), and as a script
for other programs (`snippets/`). Knows neither the engine nor the page. Imports `ipc`, `fim` and the
ground.
"""
