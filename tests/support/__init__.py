"""Fakes and helpers shared by several test packages."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the repository."""

WORKER = Path(__file__).with_name("scripted_worker.py")
"""A worker that does as the prompt tells it."""

AWKWARD = "a b 'c' \"d\" \\ 한글 $HOME"
"""A folder's name with what other programs take for syntax."""
