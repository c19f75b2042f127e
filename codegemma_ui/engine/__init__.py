"""The worker process: the only room of the house that imports keras.

Importing this package imports nothing heavy. Keras picks its backend once, at import, so the modules
that need it are imported late, by the worker, once KERAS_BACKEND is set.
"""
