"""Run `decode_probe.py` in its own process, since a process has one backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import machine

ROOT = Path(__file__).parents[3]

FLOAT32_TOLERANCE = 1e-3
"""Two passes that add up the same numbers in another order, through two to six layers."""


def report(
    backend: str, model: str, dumps: Path, python: Path | str = sys.executable
) -> dict[str, Any]:
    """Return the results of the decoder.

    Args:
        backend: of Keras; the test is skipped if it is not installed.
        model: "tiny", "bundled", "precisions" or "tokens".
        dumps: folder for each module that XLA compiles, so that they can be counted.
        python: the interpreter; that of another environment has the framework.
    """
    if python == sys.executable and not machine.backend(backend).installed:
        pytest.skip(f"{backend} is not installed")
    process = subprocess.run(
        [python, "-m", "tests.workers.keras.decode_probe", backend, model, str(dumps)],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "XLA_FLAGS": f"--xla_dump_to={dumps} --xla_dump_hlo_as_proto",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return {"backend": backend, "model": model, **json.loads(process.stdout.splitlines()[-1])}
