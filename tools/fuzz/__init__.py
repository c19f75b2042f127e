"""Requests that nobody should send, and texts that must survive: `make fuzz`.

`run` sends bad requests, `exact` compares documents byte for byte, `memory` sends the longest texts. Each
serves a page of its own, on loopback.
"""
