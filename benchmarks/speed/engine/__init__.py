"""The measured processes, one engine per file; like `workers/keras` they import frameworks.

Each is started as `python -m benchmarks.speed.engine.NAME --weights … --dtype …` and uses the protocol of
`subject.py`. None of them knows how its times are used.
"""
