"""Missing names in torch, tested in a separate process: torch's steps import Keras, which takes one
backend."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "torch_names_cases.py"


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_what_a_torch_lacks_costs_that_one_thing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=50,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
