"""The playground's engine on a card: the worker's `Decoder`, with random weights that are made there.

`python -m tools.gpu.engine --shape 2b --backend jax --dtype int8` is asked for "load", "prompt 200"
(first token and decode speed), "together" and "profile" (`child.py`). The first requests compile
programs, and only those that they need; how many a worker warms up is among the figures.
"""

from __future__ import annotations

import argparse
import importlib
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.speed.engine import keras_process
from benchmarks.speed.engine.subject import peak_bytes
from codegemma_ui.workers.keras import framework, precision
from codegemma_ui.workers.keras.framework import Device
from tools.gpu import kernels, workload
from tools.gpu.card import NO_CUDA
from tools.gpu.child import serve
from tools.gpu.results import Figures
from tools.gpu.workload import Workload

if TYPE_CHECKING:  # at run time only once the process is set up
    from codegemma_ui.workers.keras.decode import Decoder
    from codegemma_ui.workers.keras.precision import Precision
    from codegemma_ui.workers.keras.steps import Steps

SEED = 0
DEVIATION = 0.02
"""Of the random weights, as transformers initialises a Gemma."""

POLL_S = 0.05
PROFILED_DISPATCHES = 4


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True)
    parser.add_argument("--backend", required=True, choices=("jax", "torch"))
    parser.add_argument("--dtype", required=True, choices=("bfloat16", "int8"))
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    run = workload.workload(given.shape, given.small)
    serve(Ours(run, given.backend, given.dtype, given.small).measure)


class Ours:
    """A decoder over random weights; they are made when it is first asked for anything.

    Args:
        run: what is measured.
        backend: "jax" or "torch".
        dtype: "bfloat16" or "int8".
        small: on a CPU, with the arrangement of weights that a card gets.
    """

    def __init__(self, run: Workload, backend: str, dtype: str, small: bool) -> None:
        self._run, self._backend, self._dtype, self._small = run, backend, dtype, small
        self._thread = ThreadPoolExecutor(1, "decoder")
        self._loaded: tuple[Steps, Decoder] | None = None
        self._load: dict[str, Any] = {}
        self._seed = 0  # of the next prompt

    def measure(self, name: str) -> Figures:
        """Return the figures of "load", "prompt N", "together" or "profile".

        They include the peak of the card's memory, and `note`, what a worker would tell its user: that torch
        could not compile.

        Raises:
            RuntimeError: there is no card.
        """
        steps, decoder = self._model()
        kind, *rest = name.split()
        figures: Figures = self._load
        if kind == "prompt":
            figures = self._prompt(steps, decoder, int(rest[0]))
        elif kind == "together":
            figures = self._together(steps, decoder)
        elif kind == "profile":
            figures = self._profile(steps)
        noted = {} if steps.note is None else {"note": steps.note}
        device = {"device": self._load["device"]}
        return {**device, **figures, **noted, "peak_gb": self._peak_gb()}

    # Load

    def _model(self) -> tuple[Steps, Decoder]:
        if self._loaded is None:
            started = time.perf_counter()
            device = self._begin()
            imported = time.perf_counter()

            from codegemma_ui.workers.keras.decode import Decoder

            chosen = precision.choose(self._dtype, device, 0)
            with ThreadPoolExecutor(1) as aside:  # on a thread that ends, as the worker does
                steps = aside.submit(self._random, chosen).result()
            decoder = Decoder(steps, self._run.context_length, thread=self._thread)
            _, programs = next(decoder.warm_up())  # it has run none yet
            # As a warm-up leaves it on a card: no pass takes long, so that prompts are read in the longest.
            decoder.pass_times.add(32, 0.01)
            self._load = {
                "device": device.name,
                "backend": f"{self._backend} {importlib.import_module(self._backend).__version__}",
                "import_s": imported - started,
                "weights_s": time.perf_counter() - imported,
                "parameters": steps.shape.parameters,
                "weight_bytes": steps.weight_bytes,
                "worker_programs": programs,
                "steps": type(steps).__name__,
            }
            self._loaded = steps, decoder
        return self._loaded

    def _begin(self) -> Device:
        framework.before_import(self._backend)
        device = framework.device(self._backend)
        if self._small:
            return Device("cpu", accelerated=True, bfloat16=True)
        if not device.accelerated:
            raise RuntimeError(f"{self._backend} {NO_CUDA}")
        return device

    def _random(self, chosen: Precision) -> Steps:
        """Return steps over random weights, each made on the device and arranged as it is made.

        The embedding and the last norm are drawn as in `benchmarks.speed.engine.random_preset`, so that
        greedy tokens vary.
        """
        from codegemma_ui.workers.keras import steps
        from codegemma_ui.workers.keras.loading import unmade_variables
        from codegemma_ui.workers.keras.steps import weights

        keras = importlib.import_module("keras")
        models = importlib.import_module("keras_nlp").models
        numbers = asdict(self._run.shape)
        for name in ("name", "context_length"):
            del numbers[name]
        with unmade_variables():
            backbone = models.GemmaBackbone(**numbers, dtype=chosen.loads)
        shape = weights.shape_of(backbone, chosen)
        assembler = weights.Assembler(steps.arrangement(self._backend, shape, chosen))
        draw = _draw_with_torch if self._backend == "torch" else _draw_with_jax
        for number, variable in enumerate(backbone.variables):
            mean, deviation = 0.0, DEVIATION
            if variable.path == "token_embedding/embeddings":
                deviation = backbone.hidden_dim**-0.5
            elif variable.path == "final_normalization/scale":
                mean, deviation = -1.0, 1.0  # Gemma adds 1
            values = draw(tuple(variable.shape), SEED + number)
            values = keras.ops.cast(values * deviation + mean, chosen.loads)
            assembler.take(variable, values)
        return steps.create(self._backend, shape, assembler.weights())

    # One stream

    def _prompt(self, steps: Steps, decoder: Decoder, tokens: int) -> Figures:
        before, begun = steps.compilations, time.perf_counter()
        self._arrivals(decoder, tokens)
        traced = time.perf_counter()
        self._wait_for_compilers(steps)
        compiled_s = time.perf_counter() - traced
        programs = steps.compilations - before

        def run() -> list[float]:
            return self._arrivals(decoder, tokens)

        workload.repeated(run, self._run.warm)
        runs = workload.repeated(run, self._run.repeats)
        return {
            **workload.timed(runs),
            "runs": len(runs),
            "first_run_s": traced - begun,
            "background_compile_s": compiled_s,
            "programs": programs,
        }

    def _arrivals(self, decoder: Decoder, tokens: int) -> list[float]:
        ids = self._next_prompt(tokens)
        self._thread.submit(int).result()  # what the last request left under way
        started = time.perf_counter()
        choices = decoder.decode(ids, len(ids) + self._run.new_tokens, _greedy(), drafts=False)
        return [time.perf_counter() - started for _ in choices]

    def _next_prompt(self, tokens: int) -> list[int]:
        self._seed += 1
        return workload.prompt(self._run.shape, tokens, self._seed)

    def _wait_for_compilers(self, steps: Steps) -> None:
        steps.warmed()
        while steps.compiling:
            time.sleep(POLL_S)

    # Several streams

    def _together(self, steps: Steps, decoder: Decoder) -> Figures:
        """Time as many streams as are asked, at once where the backend can, else one after another."""
        from codegemma_ui.workers.keras.batching import BatchedDecoder
        from codegemma_ui.workers.keras.steps import takes_batches

        streams, tokens = self._run.streams, self._run.streams_prompt
        if not takes_batches(steps):
            self._prompt(steps, decoder, tokens)  # compiles, where nothing has
            runs = workload.repeated(lambda: self._one_after_another(decoder), self._run.repeats)
            return {**workload.timed_together(runs), "streams": streams, "at_once": 1}
        batched = BatchedDecoder(steps, self._run.context_length, streams)
        batched.pass_times.add(32, 0.01)
        begun, compiled_s = time.perf_counter(), 0.0
        before = -1
        while steps.compilations != before:  # rows join at other moments in each run
            before, compiled_s = steps.compilations, time.perf_counter() - begun
            self._at_once(batched, tokens)
        runs = workload.repeated(lambda: self._at_once(batched, tokens), self._run.repeats)
        return {
            **workload.timed_together(runs),
            "streams": streams,
            "at_once": streams,
            "runs": len(runs),
            "compile_s": compiled_s,
        }

    def _one_after_another(self, decoder: Decoder) -> list[list[float]]:
        started, found = time.perf_counter(), []
        for _ in range(self._run.streams):
            begun = time.perf_counter() - started
            times = self._arrivals(decoder, self._run.streams_prompt)
            found.append([begun + time for time in times])
        return found

    def _at_once(self, batched: Decoder, tokens: int) -> list[list[float]]:
        prompts = [self._next_prompt(tokens) for _ in range(self._run.streams)]
        start = threading.Barrier(len(prompts))

        def stream(ids: list[int]) -> list[float]:
            start.wait()
            begun = time.perf_counter()
            choices = batched.decode(ids, len(ids) + self._run.new_tokens, _greedy())
            return [time.perf_counter() - begun for _ in choices]

        with ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(stream, prompts))

    # Where a step's time goes

    def _profile(self, steps: Steps) -> Figures:
        """Time the decode program alone, then list what a few more dispatches of it launch."""
        return self._thread.submit(self._profile_here, steps).result()

    def _profile_here(self, steps: Steps) -> Figures:
        from codegemma_ui.workers.keras import planning
        from codegemma_ui.workers.keras.sampling import GREEDY
        from codegemma_ui.workers.keras.steps import BURST, stop_array

        position = self._run.prompts[0]
        lengths = planning.cache_lengths(self._run.context_length)
        length = next(one for one in lengths if one >= position + self._run.new_tokens)
        cache, stops = steps.allocate(length), stop_array(())

        def dispatch() -> None:
            nonlocal cache
            cache, _ = steps.decode(cache, 1, position, BURST, stops, GREEDY)

        dispatch()  # compiles, where nothing has; records the cache's CUDA graph
        self._wait_for_compilers(steps)
        dispatch()

        def step_ms() -> float:
            begun = time.perf_counter()
            dispatch()  # ends with a copy to the host
            return 1000 * (time.perf_counter() - begun) / BURST

        spent = workload.repeated(step_ms, 10 * self._run.repeats)
        profiler = kernels.of_torch if self._backend == "torch" else kernels.of_jax

        def some() -> None:
            for _ in range(PROFILED_DISPATCHES):
                dispatch()

        found = profiler(some, cuda=not self._small)
        return {
            **workload.spread("step", "ms", spent),
            "context": position,
            **kernels.listed(found, PROFILED_DISPATCHES * BURST),
        }

    def _peak_gb(self) -> float | None:
        device = Device("", accelerated=not self._small, bfloat16=True)
        peak = keras_process.device_peak_bytes(self._backend, device) or peak_bytes()
        return None if peak is None else peak / 1e9


def _greedy() -> Any:
    from codegemma_ui.workers.keras.sampling import Sampling

    return Sampling()


def _draw_with_torch(shape: Sequence[int], seed: int) -> Any:
    torch = importlib.import_module("torch")
    device = os.environ["KERAS_TORCH_DEVICE"]
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(tuple(shape), device=device, dtype=torch.bfloat16, generator=generator)


def _draw_with_jax(shape: Sequence[int], seed: int) -> Any:
    jax = importlib.import_module("jax")
    return jax.random.normal(jax.random.key(seed), tuple(shape), dtype="bfloat16")


if __name__ == "__main__":
    main()
