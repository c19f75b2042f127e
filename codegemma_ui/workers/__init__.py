"""Worker processes: run a model with Keras (`keras/`), or forward requests to a server (`openai/`).

This package turns tokens into events and decides when a middle ends. It has no knowledge of the page, the
queue or clients, and none of them imports it: it is started as `python -m codegemma_ui.workers.keras.worker`.
It imports `ipc`, `fim` and the base modules only.
"""
