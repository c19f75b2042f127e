"""Speed on a card: ours on jax and torch beside transformers, each with the weights of CodeGemma's shapes.

    python -m tools.gpu.speed --out FOLDER --shape 2b --backend jax --dtype bfloat16

writes `FOLDER/speed-2b-jax-bfloat16-TIME.json` (`results.py`): the card's own bandwidth, first token and
decode speed at several prompt lengths, several streams at once, and where a step's time goes. Each engine
is a process of its own, whose stderr is in a `.log` beside it. All measurements of an engine take longer than
one call: `--only "prompt 4000" profile` divides them, and the README has a division that fits. Started again
with the same flags, a call goes on. `--small` runs the same on a CPU with a tiny shape.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.gpu import card, ending, floor, workload
from tools.gpu.child import Child
from tools.gpu.results import Figures, Results
from tools.gpu.workload import Workload

BACKENDS = ("jax", "torch", "transformers")
DTYPES = ("bfloat16", "int8")

GRACE_S = 15.0
"""Seconds beyond the call's time after which what still runs is ended."""

PATIENCE = 2.0
"""How many times its estimate a measurement may take."""

BANDWIDTH = "bandwidth"
BANDWIDTH_S = 30.0
"""Seconds to measure the card, at the beginning of each call."""


@dataclass(frozen=True)
class Engine:
    """A row of the comparison.

    Attributes:
        backend: "jax" or "torch" for ours, or "transformers".
        dtype: of the weights.
    """

    backend: str
    dtype: str

    @property
    def name(self) -> str:
        """Beginning of its steps' names."""
        return f"{self.backend} {self.dtype}"

    def needs_s(self, run: Workload) -> dict[str, float]:
        """Return its measurements in order, and generous estimates of the seconds of each on an H200.

        Most of it is compilation, of a program for each layer, prompt chunk and cache length.
        """
        layers = run.shape.num_layers / 18
        first, *others = run.prompts
        compile_s = {"jax": 25.0, "torch": 30.0, "transformers": 60.0}[self.backend] * layers
        if self.backend == "transformers":  # compiles its step only, for each cache
            needs = {"load": 40.0, f"prompt {first}": compile_s, "together": compile_s}
            needs |= {f"prompt {tokens}": compile_s for tokens in others}
        else:
            programs = {tokens: 2 if tokens < 512 else 5 for tokens in run.prompts}
            batches = 6 if self.backend == "jax" else 0
            needs = {
                "load": 60.0,
                f"prompt {first}": 20 + compile_s * programs[first],
                "profile": 30.0,
                "together": 20 + compile_s * batches,
                **{f"prompt {tokens}": 20 + compile_s * programs[tokens] for tokens in others},
            }
        return dict.fromkeys(needs, 0.0) if run.shape == workload.TINY else needs


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep; return 1 if a step failed or was put off."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--shape", choices=("2b", "7b"), default="2b")
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--only", nargs="+", metavar="NAME", help='such as "prompt 4000" profile')
    parser.add_argument("--small", action="store_true")
    parser.add_argument(
        "--before", type=Path, help="folder of earlier results; they are not repeated"
    )
    given = parser.parse_args(arguments)
    engines = chosen(given.backend, given.dtype)
    if not engines:
        parser.error("transformers runs in bfloat16 here. Received: --dtype int8")
    run = workload.workload(given.shape, given.small)
    plans = {engine: planned(engine.needs_s(run), given.only) for engine in engines}
    if not all(plans.values()):
        names = ", ".join(engines[0].needs_s(run))
        parser.error(f"--only should be some of: {names}. Received: {', '.join(given.only)}")
    card.require(parser, given.small)
    named = ("speed", "small" if given.small else given.shape, given.backend, given.dtype)
    results = Results(given.out, "-".join(filter(None, named)), before=given.before)
    measure(results, run, plans, given.shape, given.small)
    wanted = [BANDWIDTH]
    for engine, plan in plans.items():
        wanted += [f"{engine.name}: {name}" for name in plan]
    missing = [step for step in wanted if not results.done(step)]
    if missing:
        print(f"not done: {', '.join(missing)}", flush=True)
    return bool(missing)


def chosen(backend: str | None, dtype: str | None) -> list[Engine]:
    """Return the engines of a run.

    Args:
        backend: one of `BACKENDS`, or None for all.
        dtype: one of `DTYPES`, or None for all; transformers has bfloat16 only, as it needs another package
            for int8.
    """
    return [
        Engine(one, each)
        for one in BACKENDS
        for each in DTYPES
        if backend in (None, one) and dtype in (None, each)
        if (one, each) != ("transformers", "int8")
    ]


def planned(needs_s: dict[str, float], only: Sequence[str] | None) -> dict[str, float]:
    """Return the measurements of a run, in order, with the seconds that each needs.

    Args:
        needs_s: all of an engine's.
        only: names of those to run, after "load", or None for all.

    Returns:
        Nothing, if a name is not among them.
    """
    if only is None:
        return needs_s
    if not set(only) <= needs_s.keys():
        return {}
    return {name: seconds for name, seconds in needs_s.items() if name in ("load", *only)}


def measure(
    results: Results,
    run: Workload,
    plans: Mapping[Engine, dict[str, float]],
    shape: str,
    small: bool,
) -> None:
    """Run what is not done and fits.

    Args:
        results: what is done, and where the rest goes, with logs beside it.
        run: what is measured.
        plans: the measurements of each engine, with the seconds that each needs.
        shape: its name, for the processes.
        small: on a CPU.
    """
    flags = ["--small"] if small else []
    with _child("bandwidth", flags, {}, _log(results, BANDWIDTH), small) as child:
        results.run(
            BANDWIDTH,
            lambda: child.ask("card", _limit_s(results, BANDWIDTH_S)),
            BANDWIDTH_S,
            anew=True,
        )
    rates = results.steps.get(BANDWIDTH, {})
    for engine, needs_s in plans.items():
        whole = [*flags, "--shape", shape]
        variables = {}
        if engine.backend != "transformers":
            whole += ["--backend", engine.backend, "--dtype", engine.dtype]
            variables = {"KERAS_BACKEND": engine.backend, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        module = "transformers_peer" if engine.backend == "transformers" else "engine"
        with _child(module, whole, variables, _log(results, engine.name), small) as child:
            for name in needs_s:
                # In a call that goes on, and after a failure, the first measurement loads.
                load_s = 0.0 if child.started or name == "load" else needs_s["load"]
                time_s = load_s + needs_s[name]

                def figures(
                    child: Child = child,
                    name: str = name,
                    dtype: str = engine.dtype,
                    time_s: float = time_s,
                ) -> Figures:
                    found = child.ask(name, _limit_s(results, time_s))
                    return with_shares(found, name, run, dtype, rates)

                results.run(f"{engine.name}: {name}", figures, time_s)


def _limit_s(results: Results, needs_s: float) -> float:
    """Return the seconds after which a measurement is killed.

    Args:
        results: those of its call.
        needs_s: its estimate, or 0 where there is none.
    """
    left_s = results.left_s + GRACE_S
    return min(left_s, PATIENCE * needs_s) if needs_s else left_s


def _log(results: Results, name: str) -> Path:
    """Return the file for an engine's stderr: a call's own, as its results are."""
    return results.path.with_name(f"{results.path.stem}-{name.replace(' ', '-')}.log")


def with_shares(
    figures: Figures, measurement: str, run: Workload, dtype: str, rates: Figures
) -> Figures:
    """Return figures with what the card could do: bytes of a step, and which share of its bandwidth is used.

    Args:
        figures: of one measurement.
        measurement: its name, as it was asked for.
        run: what was measured.
        dtype: of the weights.
        rates: the figures of "bandwidth"; without them, after a failure, there are no shares.
    """
    copy, product = rates.get("copy_gb_s"), rates.get("matmul_tflop_s")
    if not isinstance(copy, float) or not isinstance(product, float):
        return figures
    bandwidth, kind = copy * 1e9, measurement.split()[0]
    more: dict[str, float] = {}
    if kind == "prompt":
        tokens = int(measurement.split()[1])
        more = _decode_shares(figures, run, dtype, tokens + run.new_tokens // 2, 1, bandwidth)
        first = floor.first_token_s(run.shape, dtype, tokens, bandwidth, product * 1e12)
        more["first_share"] = 1000 * first / _number(figures, "first_ms")
    elif kind == "together":
        streams = int(_number(figures, "at_once"))
        context = run.streams_prompt + run.new_tokens // 2
        more = _decode_shares(figures, run, dtype, context, streams, bandwidth)
    elif kind == "profile":
        read = floor.step_bytes(run.shape, dtype, int(_number(figures, "context")))
        more = {
            "step_gb": read / 1e9,
            "step_share": floor.decode_share(1000 / _number(figures, "step_ms"), read, bandwidth),
            "kernels_share": floor.decode_share(
                1000 / _number(figures, "kernels_ms_per_token"), read, bandwidth
            ),
        }
    return {**figures, **more}


def _decode_shares(
    figures: Figures, run: Workload, dtype: str, context: int, streams: int, bandwidth: float
) -> dict[str, float]:
    read = floor.step_bytes(run.shape, dtype, context, streams)
    if "decode_tok_s" not in figures:  # one after another
        return {}
    steps_per_s = _number(figures, "decode_tok_s") / streams
    return {
        "step_gb": read / 1e9,
        "decode_share": floor.decode_share(steps_per_s, read, bandwidth),
    }


def _number(figures: Figures, name: str) -> float:
    value = figures[name]
    assert isinstance(value, float | int)
    return float(value)


@contextmanager
def _child(
    module: str,
    flags: Sequence[str],
    variables: dict[str, str],
    log: Path,
    small: bool,
) -> Iterator[Child]:
    """Run a measuring process, which loads nothing from the network, and on a small run sees no card."""
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **variables}
    if small:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    with Child(f"tools.gpu.{module}", flags, environment, log) as child:
        yield child


if __name__ == "__main__":
    ending.with_children()
    sys.exit(main())
