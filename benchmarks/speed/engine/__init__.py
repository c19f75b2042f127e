"""The processes that are measured, one engine a file; like `workers/keras` they import frameworks.

Each is started as `python -m benchmarks.speed.engine.NAME --weights … --dtype …` and speaks the protocol
of `subject.py`. None of them knows what is done with its times.
"""
