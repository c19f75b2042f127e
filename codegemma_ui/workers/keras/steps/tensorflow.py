"""tensorflow backend: programs as XLA-compiled `tf.function`s that assign the cache's variables.

Passing the cache in and out as tensors gives the same tokens; with variables it compiles in half the time and
runs slightly faster (measured, 2 CPU cores, 8M model: 2.9 s against 5.3 s, 173 to 190 tokens a second against
176). The variables are arguments, so that all caches of a length share one program.
"""

from __future__ import annotations

import contextlib
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_optimization_barrier
from tensorflow.python.eager.polymorphic_function import concrete_function
from tensorflow.python.ops import control_flow_util_v2

from codegemma_ui.workers.keras import compiled
from codegemma_ui.workers.keras.steps import (
    ALTERNATIVES,
    SamplingParams,
    TokenBatch,
    weights,
)
from codegemma_ui.workers.keras.steps.forward import cache_bytes, cache_shape
from codegemma_ui.workers.keras.steps.programs import Picks, Programs

Caches = tuple[tuple[tf.Variable, tf.Variable], ...]


class TensorflowArrangement(weights.Arrangement):
    """Weights as XLA reads them best."""

    def own(self, tensor: tf.Tensor) -> tf.Tensor:
        return tf.identity(tensor)

    def columns(self, values: tf.Tensor) -> Any:
        return weights.in_columns(values) if on_cpu() else values

    def bits(self, values: tf.Tensor) -> tf.Tensor | None:
        return tf.bitcast(values, tf.uint16) if on_cpu() else None


def on_cpu() -> bool:
    """Return whether tensorflow has no GPU."""
    return not tf.config.list_physical_devices("GPU")


class TensorflowKernels:
    """Matrices are (inputs, outputs), as on jax: both use XLA."""

    def multiply(self, x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, matrix)

    def multiply_quantized(self, x: tf.Tensor, matrix: weights.Quantized) -> tf.Tensor:
        rows = weights.block_rows(matrix.values) if on_cpu() else None
        if rows is not None:
            return weights.scaled(_in_blocks(x, matrix, rows), matrix)
        # Without the barrier, XLA converts every matrix before the token loop, and keeps the result.
        x, values = xla_optimization_barrier([x, matrix.values])
        return weights.scaled(tf.matmul(x, tf.cast(values, x.dtype), transpose_b=True), matrix)

    def top_k(self, scores: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
        values, ids = tf.math.top_k(scores, count)
        return values, ids

    def embed(self, embedding: tf.Tensor, token_ids: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.gather(embedding, token_ids, axis=1))

    def embed_quantized(self, values: tf.Tensor, token_ids: tf.Tensor) -> tf.Tensor:
        # As integers, inside the loop: XLA on a CPU converts a whole bfloat16 matrix to take rows from it.
        token_ids, values = xla_optimization_barrier([token_ids, values])
        whole = values if values.dtype == tf.int8 else tf.bitcast(values, tf.int16)
        return tf.bitcast(tf.gather(whole, token_ids), values.dtype)

    def write(self, cache: tf.Tensor, new: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        return ops.slice_update(cache, (*[0] * (len(cache.shape) - 2), offset, 0), new)


def _in_blocks(x: tf.Tensor, matrix: weights.Quantized, rows: int) -> tf.Tensor:
    """Multiply rows by a quantised matrix in blocks, as in `jax.py`."""
    values = matrix.values if matrix.bits is None else matrix.bits
    outputs, inputs = values.shape[-2:]
    size, each = x.shape[0], outputs // rows
    parts = tf.transpose(tf.reshape(x, (size, -1, inputs)), (1, 0, 2))

    def times(at: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        index, block = at
        if matrix.bits is not None:
            block = tf.bitcast(block, tf.bfloat16)
        part = tf.gather(parts, index // each)
        return tf.matmul(part, tf.cast(block, x.dtype), transpose_b=True)

    blocks = tf.reshape(values, (-1, rows, inputs))
    products = ops.map(times, (tf.range(blocks.shape[0]), blocks))
    products = tf.reduce_sum(tf.reshape(products, (-1, each, size, rows)), axis=0)
    return tf.reshape(tf.transpose(products, (1, 0, 2)), (size, outputs))


class Compiled:
    """A function compiled by XLA, and recompiled if its persisted program cannot be read.

    tensorflow (2.21) then raises, and keeps raising for that function in this process.

    Args:
        function: function to compile.
        name: unique among all functions compiled by a process; together with the shapes of the arguments it
            identifies the persisted program.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._plain, self._name = function, name
        self._compiled = self._compile()

    def _compile(self) -> Any:
        return tf.function(self._plain, jit_compile=True, autograph=False)

    def __call__(self, *arguments: Any) -> Any:
        with _named(self._name, arguments):
            return self._run(arguments)

    def _run(self, arguments: tuple[Any, ...]) -> Any:
        try:
            return self._compiled(*arguments)
        except tf.errors.OpError:
            if not compiled.discard():
                raise
            traceback.print_exc()
            self._compiled = self._compile()
            return self._compiled(*arguments)

    @property
    def compilations(self) -> int:
        return int(self._compiled.experimental_get_tracing_count())


_traced: Counter[str] = Counter()
"""Number of times each name was used in this process; a name may stand for one function only."""


@contextlib.contextmanager
def _named(program: str, arguments: tuple[Any, ...]) -> Iterator[None]:
    """Make tensorflow name the functions traced in this context after their program.

    It numbers (2.21) all functions of a process, and XLA looks up a persisted program by that number among
    others: a function traced in another order than last time would be compiled and persisted again.
    """

    @cache
    def key() -> int:
        kinds = [
            (tuple(one.shape), one.dtype) if hasattr(one, "shape") else one  # None or an integer
            for one in tf.nest.flatten(arguments)
        ]
        return zlib.crc32(f"{program} {kinds}".encode())

    def numbered(name: str) -> str:
        named = f"{name}_{key()}"
        _traced[named] += 1  # tensorflow retraces a function at its second call
        return f"{named}_{_traced[named]}"

    inner, outer = control_flow_util_v2.unique_fn_name, concrete_function._inference_name
    control_flow_util_v2.unique_fn_name = lambda scope, name: numbered(f"{scope}{name}").replace(
        "/", "_"
    )
    concrete_function._inference_name = lambda name: numbered(f"__inference_{name}")
    try:
        yield
    finally:
        control_flow_util_v2.unique_fn_name, concrete_function._inference_name = inner, outer


class TensorflowSteps:
    """`Steps` on tensorflow. The cache is a tuple of variables, two per layer.

    Args:
        shape: shape of the model.
        arranged: its weights, from `TensorflowArrangement`.
    """

    note: str | None = None
    compiling = 0
    parts = 1
    takes_batches = False
    warms_up_concurrently = True

    def __init__(
        self, shape: weights.Shape, arranged: weights.Weights, alternatives: int = ALTERNATIVES
    ) -> None:
        self.shape, self.weights = shape, arranged
        self._compile(alternatives)

    def _compile(self, alternatives: int) -> None:
        programs = Programs(self.shape, TensorflowKernels(), alternatives)
        self._prefill = self._pass(programs.prefill, f"prefill {alternatives}")
        self._verify = self._pass(programs.verify, f"verify {alternatives}")
        self._decode = self._pass(programs.decode, f"decode {alternatives}")
        self._sample = Compiled(programs.sample, f"sample {alternatives}")

    def _pass(self, program: Callable[..., Any], name: str) -> Compiled:
        """Wrap a program so that it assigns a cache's variables and returns the rest."""

        def assigning(caches: Caches, *arguments: tf.Tensor) -> Any:
            values = tuple((keys.read_value(), values.read_value()) for keys, values in caches)
            written, *rest = program(self.weights, values, *arguments)
            for layer, new in zip(caches, written, strict=True):
                for variable, value in zip(layer, new, strict=True):
                    variable.assign(value)
            return rest

        return Compiled(assigning, name)

    @property
    def compilations(self) -> int:
        """Programs compiled so far."""
        every = (self._prefill, self._verify, self._decode, self._sample)
        return sum(one.compilations for one in every)

    def warmed(self) -> None:
        """Do nothing: everything is compiled at its first run."""

    def allocate(self, length: int) -> Caches:
        def zeros() -> tf.Variable:
            shape = cache_shape(self.shape, length)
            return tf.Variable(tf.zeros(shape, self.shape.dtype), trainable=False)

        return tuple((zeros(), zeros()) for _ in self.shape.windows)

    @property
    def weight_bytes(self) -> int:
        return weights.weight_bytes(self.weights)

    def cache_bytes(self, length: int) -> int:
        return cache_bytes(self.shape, length)

    # Numbers are passed as tensors: a Python int would be retraced for each value.

    def prefill(
        self,
        cache: Caches,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
    ) -> tuple[Caches, TokenBatch, tf.Tensor]:
        picks, scores = self._prefill(cache, *map(tf.constant, (token_ids, offset, last, stop_ids)))
        return cache, _fetch(picks), scores

    def verify(
        self,
        cache: Caches,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Caches, TokenBatch, tf.Tensor]:
        picks, scores = self._verify(
            cache, *map(tf.constant, (token_ids, offset, last, stop_ids, given))
        )
        return cache, _fetch(picks), scores

    def sample(self, scores: tf.Tensor, params: SamplingParams) -> tuple[int, float]:
        token_id, logprob = self._sample(
            scores, SamplingParams(*map(tf.constant, params)), tf.constant(0)
        )
        return int(token_id[0]), float(logprob[0])

    def decode(
        self,
        cache: Caches,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[Caches, TokenBatch]:
        picks, made = self._decode(
            cache,
            tf.constant([token_id]),
            tf.constant(position),
            tf.constant(count),
            tf.constant(stop_ids),
            SamplingParams(*map(tf.constant, params)),
        )
        return cache, _fetch(picks, int(made.numpy()))


def _fetch(picks: Picks, count: int | None = None) -> TokenBatch:
    return TokenBatch(picks.ids.numpy()[:count], picks.logprobs.numpy()[:count])
