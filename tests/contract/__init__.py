"""The public interface as text: `contract.json`, which `python -m tests.contract.record` regenerates.

It holds no docstrings, no help texts and no internal names: packages, modules and wording may change freely.
A change of `contract.json` is a change for users of the playground.
"""
