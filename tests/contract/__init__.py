"""What the outside sees, as text: `contract.json`, which `python -m tests.contract.record` writes anew.

No docstring, no help text and no name that only this repository uses is read here: rooms, modules and words
may change under it. A change of `contract.json` is a change for whoever calls the playground.
"""
