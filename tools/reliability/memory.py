"""Too little memory: the error says what to lower, a smaller request succeeds, and a model too large is
refused."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

from codegemma_ui.presets import BUNDLED_FOLDER
from tools.reliability import visitor
from tools.reliability.asking import REAL_PROMPTS
from tools.reliability.figures import Figure
from tools.reliability.served import SCRIPTED, Served, serving
from tools.reliability.visitor import Visitor

CONTEXT = 65_536
"""Tokens. A cache of as many takes 200 MB of the bundled model, where its own 512 take 2 MB."""


async def ask(served: Served, prefix: str, suffix: str, max_length: int) -> dict[str, Any]:
    async with visitor.connect(served.url) as http:
        return [one async for one in visitor.call_api(http, prefix, suffix, max_length)][-1]


def injected(served: Served) -> list[Figure]:
    """Let the engine report that it ran out of memory."""
    told = asyncio.run(ask(served, "oom", "", 128))
    smaller = asyncio.run(ask(served, "oom", "", 64))
    return _figures("out of memory in the engine (scripted)", told, smaller)


def _figures(name: str, told: dict[str, Any], smaller: dict[str, Any]) -> list[Figure]:
    readable = told.get("code") == "not_enough_memory" and "max_length" in told.get("hint", "")
    if not readable:
        print("     ", told)
    return [
        Figure(name, "not said with what to lower", not readable, 0),
        Figure(name, "smaller requests that fail afterwards", smaller["event"] != "done", 0),
    ]


def wide_preset(folder: Path) -> Path:
    """Return the bundled model with a long context, and so large caches."""
    for file in BUNDLED_FOLDER.iterdir():
        (folder / file.name).symlink_to(file)
    facts = json.loads((BUNDLED_FOLDER / "fim.json").read_text()) | {"context_length": CONTEXT}
    (folder / "fim.json").unlink()
    (folder / "fim.json").write_text(json.dumps(facts))
    return folder


def under_a_limit(backend: str) -> list[Figure]:
    """Limit the worker's address space a little above its use, so that a long context's cache does not
    fit."""
    with tempfile.TemporaryDirectory() as name:
        preset = wide_preset(Path(name))
        flags = ("--preset", str(preset), "--backend", backend)
        with serving("real", *flags) as served:
            served.wait_until_ready()
            (worker,) = served.workers()
            has = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * os.sysconf(
                "SC_PAGESIZE"
            )
            resource.prlimit(worker, resource.RLIMIT_AS, (has + 100 * 2**20,) * 2)
            prefix, suffix = REAL_PROMPTS[0]
            told = asyncio.run(ask(served, prefix, suffix, CONTEXT))
            smaller = asyncio.run(ask(served, prefix, suffix, 128))
            same = [worker] == served.workers()
    name = f"100 MB left for the worker, a cache of 200 MB asked for ({backend})"
    return [
        *_figures(name, told, smaller),
        Figure(name, "workers lost", not same, 0),
    ]


def too_large(served: Served) -> list[Figure]:
    """Check that a model too large is refused before anything is loaded, with the calculation."""

    async def choose() -> str:
        async with visitor.connect(served.url) as http:
            page = Visitor(http, await visitor.open_page(http))
            return await page.choose("model", "code_gemma_7b_en")

    # A larger machine could hold it; the page uses its address space limit.
    resource.prlimit(served.pid, resource.RLIMIT_AS, (40 * 10**9,) * 2)
    before = served.workers()
    answer = asyncio.run(choose())
    told = "of weights +" in answer and "Not enough memory" in answer
    name = "CodeGemma 7B in float32 where 40 GB may be had (scripted)"
    return [
        Figure(name, "not refused with the sum", not told, 0),
        Figure(name, "workers touched", before != served.workers(), 0),
    ]


def measure(engine: str) -> list[Figure]:
    """All of it."""
    if engine == SCRIPTED:
        with serving(engine, "--dtype", "float32") as served:
            served.wait_until_ready()
            return injected(served) + too_large(served)
    return under_a_limit("jax") + under_a_limit("tensorflow")
