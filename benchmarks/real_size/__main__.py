"""Benchmark a model of CodeGemma 2B's size through the page, and update docs/sizing.md: `make real-size`.

The model has CodeGemma 2B's shape and random weights; it is made once, 5 GB, and so are llama.cpp's files of
it, 9 GB. `--only torch` runs the rows whose name has the word, and keeps what is there of the others.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import sys
import time
from pathlib import Path

from benchmarks.pages import NotServed
from benchmarks.real_size import groups, page, table
from benchmarks.real_size.page import Failed
from benchmarks.real_size.processes import Compilers, NoWorker, peak_bytes, worker_of
from benchmarks.real_size.rows import KINDS, LLAMA_CPP, Kind
from benchmarks.real_size.table import Measured
from benchmarks.speed import conversation, weights
from benchmarks.speed.conversation import Conversation, SubjectFailed
from benchmarks.speed.prompts import Prompts
from benchmarks.speed.shapes import SHAPES
from benchmarks.speed.weights import Model
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.presets import memory

SHORT, LONG, LONGEST = 22, 200, 900
"""Tokens of the prompts."""

NEW = 40
"""Tokens generated after each of the first two."""

TIMES = 3
THREADS = 2


def run(model: Model, kind: Kind) -> Measured:
    """Run a row once; a failure is part of the result."""
    with contextlib.ExitStack() as stack:
        group = None
        try:
            if kind.limit_gb:
                group = stack.enter_context(groups.memory_group(kind.limit_gb * 10**9))
            if kind.engine == LLAMA_CPP:
                return _llama_cpp(model, kind)
            return _page(model, kind, group)
        except (Failed, NotServed, NoWorker, SubjectFailed, groups.NoGroups) as failure:
            return Measured(kind.engine, kind.dtype, kind.limit_gb, failed=str(failure))


def _page(model: Model, kind: Kind, group: Path | None) -> Measured:
    begun = time.monotonic()
    command = groups.inside(group, page.command(model.folder, kind.engine, kind.dtype))
    with page.serving(command, model.folder) as served:
        compilers = Compilers(served.process)
        try:
            status = served.wait_until_ready()
            ready_s = time.monotonic() - begun
            short = [served.complete(SHORT, NEW) for _ in range(TIMES)]
            long = [served.complete(LONG, NEW) for _ in range(TIMES)]
            stop_s = served.stop_while_reading(LONGEST, 1.0)
            peak = peak_bytes(worker_of(served.process))
        finally:
            compilers.end()
    needs = memory.needed(model.preset, kind.engine, status["dtype"])
    return Measured(
        kind.engine,
        kind.dtype,
        kind.limit_gb,
        settled=status["dtype"],
        ready_s=ready_s,
        peak_gb=peak / 1e9,
        compilers_gb=compilers.peak_bytes / 1e9,
        needs_gb=needs and needs / 1e9,
        first_short_s=statistics.median(first for first, _ in short),
        first_long_s=statistics.median(first for first, _ in long),
        tokens_per_s=statistics.median(speed for _, speed in (*short, *long)),
        stop_s=stop_s,
    )


def _llama_cpp(model: Model, kind: Kind) -> Measured:
    folder = weights.exported(model, "gguf", kind.dtype, _say)
    prompts = Prompts(Vocabulary(model.folder))
    flags = ("--weights", str(folder), "--backend", "cpu", "--dtype", kind.dtype)
    more = ("--threads", str(THREADS), "--device", "cpu", "--context-length", "2048")
    command = (sys.executable, "-m", "benchmarks.speed.engine.llama_cpp", *flags, *more)
    firsts: dict[int, list[float]] = {SHORT: [], LONG: []}
    speeds = []
    with conversation.scratch_folder() as scratch:
        environment = conversation.environment(THREADS, "cpu", scratch)
        with Conversation(command, environment, 900.0) as talk:
            facts = talk.expect("bench", "ready")
            ready_s = talk.elapsed_s - facts["aside_s"]
            for number in range(2 * TIMES):
                length = SHORT if number < TIMES else LONG
                asked = {"prompt_ids": list(prompts.window(length, number)), "new_tokens": NEW}
                arrivals = talk.ask({"op": "generate", **asked})["arrivals_s"]
                firsts[length].append(arrivals[0])
                speeds.append((len(arrivals) - 1) / (arrivals[-1] - arrivals[0]))
            peak = talk.ask({"op": "peak"})["peak_bytes"]
    return Measured(
        kind.engine,
        kind.dtype,
        None,
        ready_s=ready_s,
        peak_gb=peak / 1e9,
        first_short_s=statistics.median(firsts[SHORT]),
        first_long_s=statistics.median(firsts[LONG]),
        tokens_per_s=statistics.median(speeds),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.real_size")
    parser.add_argument("--shape", default="2b", choices=tuple(SHAPES), help="of the model; 2b")
    parser.add_argument("--rounds", type=int, default=1, help="each runs every row once; 1")
    parser.add_argument("--only", default="", help="rows whose name this regular expression finds")
    parser.add_argument("--dry", action="store_true", help="print the table, and keep nothing")
    given = parser.parse_args()
    model = weights.of_shape(given.shape, _say)
    kinds = [kind for kind in KINDS if re.search(given.only, kind.name)]
    measured: list[Measured] = []
    for number in range(given.rounds):
        for kind in kinds:
            one = run(model, kind)
            measured.append(one)
            _say(f"{number + 1}: {kind.name}: {table.rendered([one]).splitlines()[-1]}")
            if not given.dry:
                table.keep(measured)
    print(table.rendered(measured))
    if not given.dry:
        table.into_docs(table.rendered(table.read()))


if __name__ == "__main__":
    main()
