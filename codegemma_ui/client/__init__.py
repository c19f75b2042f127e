"""The handle on a worker: started, switched, restarted, asked, and who waits for it.

Knows which model runs on which backend (`choice`), the one queue (`queue`) and what a request has come to
(`progress`). Knows no Gradio and no framework. Imports `download`, `ipc`, `fim` and the ground.
"""
