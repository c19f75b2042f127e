"""The processes that are measured, one engine a file; like `workers/keras` they import frameworks.

Each is started as `python -m codegemma_ui.bench.engine.NAME --weights … --dtype …` and speaks the protocol
of `subject.py`. None of them knows what is done with its times.
"""
