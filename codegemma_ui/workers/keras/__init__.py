"""The process that runs a model: the only room that imports Keras, beside export's reader of weights.

Importing this package imports nothing heavy. Keras picks its backend once, at import, so the modules
that need it are imported late, by the worker, once KERAS_BACKEND is set.
"""
