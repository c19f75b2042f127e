"""The other process: it runs a model with Keras (`keras/`) or asks a server for it (`openai/`).

Knows how tokens become events and when a middle ends. Knows no page, no queue and no client, and none of
them imports it: it is started as `python -m codegemma_ui.workers.keras.worker`. Imports `ipc`, `fim` and
the ground.
"""
