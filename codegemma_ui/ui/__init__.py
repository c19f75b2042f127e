"""The page and the HTTP API.

Knows Gradio, every control, and every word that is shown. Knows no framework and nothing of how it is
served. Imports `client`, `completions`, `ipc`, `fim` and the ground.
"""
