"""Fuzzing with bad requests, and texts that must survive: `make fuzz`.

`run` sends bad requests, `exact` compares documents byte for byte, `memory` sends the longest texts. Each
serves its own page, on loopback.
"""
