"""Tests of the parts of `python -m codegemma_ui eval`."""
