"""Whether the engine computes on a card what it computes on a CPU.

    python -m tools.gpu.correctness --out FOLDER

Each step starts the real worker with the bundled model, and its figures are kept in
`FOLDER/correctness-BACKEND-TIME.json`; what is done there is not done again. A step that takes longer than
its limit is an error: its engine is killed, and the next step runs. `right` is the verdict, and the exit code
is 1 unless every step is right. Without a card the same steps run on the CPU: `device` says so, and `shown`
is false where only a card can show it. Two of these may run at once, one for each backend.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from codegemma_ui import machine, presets
from codegemma_ui.errors import EngineError, NotEnoughMemory
from tests.workers.keras.decode_prompts import CURSOR, SNIPPETS
from tools.gpu import card, ending
from tools.gpu.comparison import Compared, Token, compare
from tools.gpu.results import CALL_S, Figures, Results
from tools.gpu.worker import MODULE, Engine, Snippet, TooLate, Worker

BACKENDS = ("jax", "torch")
HALVES = ("bfloat16", "float16")
CHANGED = "tools.gpu.changed_worker"

PROMPTS, LENGTH = 20, 192
"""Prompts, and tokens of prompt and middle together."""

SMALL_PROMPTS, SMALL_LENGTH = 3, 96

COMPILING_S = 150.0
"""Seconds that torch gets to compile; afterwards it is compared as it is, and the figures say so."""

AT_ONCE = 8
"""Completions that jax decodes together."""

PATIENCE, SMALL_PATIENCE = 1.5, 10.0
"""How many times a step's estimate it may take. A rehearsal may run on a slow CPU that is busy."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        folder: for the results and the tokens of the CPU.
        snippets: prefix and suffix of each prompt.
        max_length: prompt and middle together, in tokens.
        compiling_s: seconds that torch gets to compile.
        name: beginning of the results' file.
        module: the worker.
        patience: how many times its estimate a step may take.
        before: folder with results of earlier calls, or None.
    """

    folder: Path
    snippets: Sequence[Snippet]
    max_length: int
    compiling_s: float
    name: str = "correctness"
    module: str = MODULE
    patience: float = PATIENCE
    before: Path | None = None


@dataclass(frozen=True)
class Step:
    """One comparison.

    Attributes:
        name: unique for its backend.
        needs_s: seconds on a rented machine, estimated generously.
        work: returns its figures, or raises `TooLate` at the time that it is given (`time.monotonic()`).
    """

    name: str
    needs_s: float
    work: Callable[[float], Figures]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu.correctness", description="Compare a card with the CPU."
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the results")
    parser.add_argument(
        "--small", action="store_true", help="three short prompts, and torch not compiled"
    )
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--steps", nargs="+", help="these alone, such as float32_jax")
    parser.add_argument("--seconds", type=float, help=f"time of this call; by default {CALL_S:.0f}")
    parser.add_argument(
        "--before", type=Path, help="folder of earlier results; they are not repeated"
    )
    given = parser.parse_args()
    plan = planned(given.out, given.small, given.before)
    ends = time.monotonic() + (given.seconds or (math.inf if given.small else CALL_S))
    every = {backend: steps(plan, backend) for backend in given.backends}
    names = [step.name for some in every.values() for step in some]
    if unknown := set(given.steps or ()) - set(names):
        parser.error(f"--steps takes {', '.join(names)}. Received: {', '.join(sorted(unknown))}")
    card.require(parser, given.small)
    wrong = []
    for backend, some in every.items():
        wanted = [step for step in some if step.name in (given.steps or names)]
        wrong += run(plan, backend, wanted, ends - time.monotonic())
    print(f"not right: {', '.join(wrong)}" if wrong else "every step is right", flush=True)
    sys.exit(1 if wrong else 0)


def run(plan: Plan, backend: str, every: Sequence[Step], seconds: float) -> list[str]:
    """Run steps that are not done yet; return the names of those that are not right.

    Those that an earlier call has tried come last: one that hangs in each call would take the others' time.

    Args:
        seconds: time for all of them; what does not fit is put off, and not right.
    """
    results = Results(plan.folder, f"{plan.name}-{backend}", seconds, plan.before)

    def limited(step: Step) -> Figures:
        limit_s = min(step.needs_s * plan.patience, results.left_s)
        try:
            return step.work(time.monotonic() + limit_s)
        except TooLate as error:
            raise TooLate(
                f"killed after {limit_s:.0f} s, the limit of this step. {error}"
            ) from error

    for step in sorted(every, key=lambda one: one.name in results.steps):
        results.run(step.name, partial(limited, step), step.needs_s)
    return [
        step.name for step in every if results.steps.get(step.name, {}).get("right") is not True
    ]


def planned(folder: Path, small: bool, before: Path | None = None) -> Plan:
    """Return what a call compares.

    Args:
        folder: of the results.
        small: whether it is a rehearsal on a CPU, where torch compiles for a minute.
        before: folder with results of earlier calls, or None.
    """
    count, length = (SMALL_PROMPTS, SMALL_LENGTH) if small else (PROMPTS, LENGTH)
    snippets: list[Snippet] = []
    for snippet in SNIPPETS[:count]:
        prefix, suffix = snippet.split(CURSOR)
        snippets.append((prefix, suffix))
    if small:
        return Plan(
            folder,
            snippets,
            length,
            0.0,
            "correctness-small",
            patience=SMALL_PATIENCE,
            before=before,
        )
    return Plan(folder, snippets, length, COMPILING_S, before=before)


def steps(plan: Plan, backend: str) -> list[Step]:
    """Return the steps of a backend, in order."""
    torch = backend == "torch"
    compiling_s = plan.compiling_s if torch else 0.0
    own = (
        # It compiles what the step before has compiled, which is kept.
        [Step("graphs", 90, partial(graphs, plan))]
        if torch
        else [
            Step("full_float32", 60, partial(full_float32, plan)),
            Step("together", 60, partial(together, plan)),
        ]
    )
    found = [
        Step("cpu", 60, partial(on_cpu, plan, backend)),
        Step("float32", 60 + compiling_s, partial(float32, plan, backend)),
        *own,
        Step("long_cache", 60, partial(long_cache, plan, backend)),
        Step("small_card", 60, partial(small_card, plan, backend)),
        Step("two", 60, partial(two, plan, (backend, backend))),
    ]
    if torch:
        found.append(Step("two_backends", 60, partial(two, plan, BACKENDS)))
    for dtype in HALVES:
        found.append(Step(dtype, 60 + compiling_s, partial(half, plan, backend, dtype)))
    return [Step(f"{step.name}_{backend}", step.needs_s, step.work) for step in found]


# The tokens of the CPU


def on_cpu(plan: Plan, backend: str, ends: float) -> Figures:
    """Make and keep the tokens of the CPU in float32."""
    made = reference(plan, backend, ends)
    return {
        "device": "CPU",
        "prompts": len(made),
        "tokens": sum(map(len, made)),
        "right": all(made),
    }


def reference(plan: Plan, backend: str, ends: float) -> list[list[Token]]:
    """Return the tokens of the CPU for the plan's prompts; they are made once, and kept in a file.

    Raises:
        TooLate: they were not made at `ends`.
    """
    name = f"cpu-{backend}-{len(plan.snippets)}x{plan.max_length}.json"
    file = plan.folder / name
    if plan.before is not None and (plan.before / name).exists():
        file = plan.before / name
    if not file.exists():
        with Worker(Engine(backend=backend, on_cpu=True, module=plan.module), ends) as worker:
            made = worker.complete(plan.snippets, plan.max_length)
        lines = [[asdict(token) for token in tokens] for tokens in made]
        plan.folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")  # another call may be making it too
        part.write_text(json.dumps(lines) + "\n", encoding="utf-8")
        part.replace(file)
    kept = json.loads(file.read_text(encoding="utf-8"))
    return [[_kept(**token) for token in tokens] for tokens in kept]


def _kept(id: int, logprob: float, likeliest: dict[str, float]) -> Token:
    return Token(id, logprob, {int(key): value for key, value in likeliest.items()})


# The steps


def float32(plan: Plan, backend: str, ends: float) -> Figures:
    """Compare the card with the CPU; torch before and after it has compiled."""
    expected = reference(plan, backend, ends)
    with Worker(Engine(backend=backend, module=plan.module), ends) as worker:
        found = compare(expected, worker.complete(plan.snippets, plan.max_length))
        figures = {**_of(worker), **_figures(found), "right": found.same}
        if backend != "torch":
            return figures
        compiled = worker.warm_up(plan.compiling_s)
        after = compare(expected, worker.complete(plan.snippets, plan.max_length))
    return {
        **figures,
        "compiled": compiled,
        "note": worker.note,
        **{f"{name}_after": value for name, value in _figures(after).items()},
        "right": found.same and after.same and (compiled or not _on_card(worker)),
    }


def full_float32(plan: Plan, ends: float) -> Figures:
    """Compare jax with XLA's TF32 turned off, which tells rounding from a mistake."""
    expected = reference(plan, "jax", ends)
    engine = Engine(backend="jax", module=CHANGED, flags=("--change", "full-float32"))
    with Worker(engine, ends) as worker:
        found = compare(expected, worker.complete(plan.snippets, plan.max_length))
    return {**_of(worker), **_figures(found), "right": found.same}


def together(plan: Plan, ends: float) -> Figures:
    """Compare completions that are decoded as one batch with those of the CPU, one at a time."""
    expected = reference(plan, "jax", ends)
    with Worker(Engine(backend="jax", at_once=AT_ONCE, module=plan.module), ends) as worker:
        found = compare(expected, worker.complete(plan.snippets, plan.max_length))
    return {**_of(worker), **_figures(found), "right": found.close}


def half(plan: Plan, backend: str, dtype: str, ends: float) -> Figures:
    """Compare half precision with float32 on the CPU: finite, and mostly the same first tokens."""
    expected = reference(plan, backend, ends)
    with Worker(Engine(backend=backend, dtype=dtype, module=plan.module), ends) as worker:
        compiled = backend == "torch" and worker.warm_up(plan.compiling_s)
        try:
            tokens = worker.complete(plan.snippets, plan.max_length)
        except EngineError as error:
            if "should be finite" not in str(error):
                raise
            return {**_of(worker), "finite": False, "says": str(error)[:200], "right": False}
    found = compare(expected, tokens)
    return {
        **_of(worker),
        "compiled": compiled,
        "finite": found.finite,
        "prompts": found.prompts,
        "first_equal": found.first_equal,
        "first_difference_nats": _finite(found.first_difference_nats),
        "equal": found.equal,
        "right": found.alike,
    }


def graphs(plan: Plan, ends: float) -> Figures:
    """Compare torch with recorded CUDA graphs and without them; on a CPU, with stand-ins for them."""
    with tempfile.TemporaryDirectory() as folder:
        count = Path(folder) / "recordings"
        made = []
        for flags in (("--change", "no-graphs"), ("--change", "graphs", "--count", str(count))):
            with Worker(Engine(backend="torch", module=CHANGED, flags=flags), ends) as worker:
                compiled = worker.warm_up(COMPILING_S)
                made.append(worker.complete(plan.snippets, plan.max_length))
        recorded = int(count.read_text(encoding="ascii")) if count.exists() else 0
    found, on_card = compare(*made), _on_card(worker)
    return {
        **_of(worker),
        "compiled": compiled,
        **_figures(found),
        "recorded": recorded,
        "shown": recorded > 0 and on_card,
        "right": found.same and found.equal == found.prompts and (recorded > 0 or not on_card),
    }


def long_cache(plan: Plan, backend: str, ends: float) -> Figures:
    """Ask for a cache that no memory holds, then for a usual completion, of one engine."""
    expected, length = reference(plan, backend, ends), impossible_length()
    engine = Engine(backend=backend, context_length=length, module=plan.module)
    with Worker(engine, ends) as worker:
        refused = _refusal(partial(worker.complete, plan.snippets[:1], length))
        after = compare(expected, worker.complete(plan.snippets, plan.max_length))
    return {
        **_of(worker),
        "cache_tokens": length,
        "refused": refused is not None,
        "says": refused,
        "equal_afterwards": after.equal,
        "prompts": after.prompts,
        "right": refused is not None and after.close,
    }


def small_card(plan: Plan, backend: str, ends: float) -> Figures:
    """Load the model onto a card that is too small for it, then onto the whole card."""
    expected = reference(plan, backend, ends)
    small = Engine(backend=backend, module=CHANGED, flags=("--change", "small-card"))

    def load() -> None:
        with Worker(small, ends):
            pass

    refused = _refusal(load)
    with Worker(Engine(backend=backend, module=plan.module), ends) as worker:
        after = compare(expected, worker.complete(plan.snippets, plan.max_length))
    shown = _on_card(worker)
    return {
        **_of(worker),
        "refused": refused is not None,
        "says": refused,
        "equal_afterwards": after.equal,
        "prompts": after.prompts,
        "shown": shown,
        "right": after.close and (refused is not None or not shown),
    }


def two(plan: Plan, backends: Sequence[str], ends: float) -> Figures:
    """Let two engines complete the same prompts at the same time."""
    expected = [reference(plan, backend, ends) for backend in backends]
    # The workers end first: a thread may wait for one that hangs.
    with ThreadPoolExecutor(len(backends)) as threads, ExitStack() as stack:
        engines = [Engine(backend=backend, module=plan.module) for backend in backends]
        workers = [stack.enter_context(Worker(engine, ends)) for engine in engines]
        asked = [
            threads.submit(worker.complete, plan.snippets, plan.max_length) for worker in workers
        ]
        made = [one.result() for one in asked]
    found = [compare(*both) for both in zip(expected, made, strict=True)]
    return {
        **_of(workers[0]),
        "prompts": len(plan.snippets),
        **{f"equal_{number}": one.equal for number, one in enumerate(found, start=1)},
        "difference_nats": _finite(max(one.difference_nats for one in found)),
        "preference_nats": _finite(max(one.preference_nats for one in found)),
        "right": all(one.close for one in found),
    }


def impossible_length() -> int:
    """Return a number of tokens whose keys in one layer take twice the memory of the machine or its card."""
    config = presets.BUNDLED_FOLDER / "config.json"
    numbers = json.loads(config.read_text(encoding="utf-8"))["config"]
    bytes_per_token = 4 * numbers["num_key_value_heads"] * numbers["head_dim"]
    memory = machine.memory_bytes()
    most = max(
        [0 if memory is None else memory[0], *(card.memory_bytes for card in machine.gpus())]
    )
    return min(2 * int(most) // int(bytes_per_token), 2**30)


def _refusal(work: Callable[[], object]) -> str | None:
    """Return the product's message that memory has run out, or None if it did not.

    Raises:
        PlaygroundError: another error.
        WorkerEnded: the process ended without one.
    """
    try:
        work()
    except NotEnoughMemory as error:
        return str(error)[:200]
    return None


class NoCard(Exception):
    """There is a card, and the framework does not find it."""


def _of(worker: Worker) -> dict[str, str | float]:
    """Return the figures of every step.

    Raises:
        NoCard: it ran on the CPU of a machine with a card.
    """
    if not _on_card(worker) and machine.gpus() and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        raise NoCard(f"nvidia-smi lists {machine.gpus()[0].name}. Received: {worker.device}")
    return {"device": worker.device, "start_s": round(worker.start_s, 1)}


def _on_card(worker: Worker) -> bool:
    return worker.device != "CPU"


def _figures(found: Compared) -> dict[str, float | int | None]:
    return {
        "prompts": found.prompts,
        "equal": found.equal,
        "tokens": found.tokens,
        "difference_nats": _finite(found.difference_nats),
        "preference_nats": _finite(found.preference_nats),
    }


def _finite(value: float) -> float | None:
    """Return a figure as JSON has it: None for infinity."""
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    ending.with_children()
    main()
