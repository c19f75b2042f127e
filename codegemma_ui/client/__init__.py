"""The handle on a worker: start, switch, restart, requests and the queue.

Knows which model runs on which backend (`choice`), the one queue (`queue`) and the progress of a request
(`progress`). Knows no Gradio and no framework. Imports `download`, `ipc`, `fim` and the ground modules.
"""
