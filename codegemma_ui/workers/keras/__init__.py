"""The process that runs a model: the only package that imports Keras, apart from the weight reader of export.

Importing this package imports nothing heavy. Keras chooses its backend once, at import, so the worker imports
the modules that need it only after it has set KERAS_BACKEND.
"""
