"""A preset's weights, read through KerasHub, with transformers' names and shapes.

Both formats store every matrix as rows of outputs, heads one after the other; KerasHub keeps a kernel per
head. A norm's scale is KerasHub's own here: it multiplies by 1 + scale. Nothing is computed or copied until a
tensor is read, so that one at a time is in memory beside the model.

All key and value heads are read. `GemmaCausalLM.export_to_transformers` (KerasHub 0.32) writes the first one
only, which loses 15 of 16 in a CodeGemma 7B.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codegemma_ui import machine
from codegemma_ui.commands.export.formats import WIDTHS
from codegemma_ui.errors import EngineError, NotEnoughMemory
from codegemma_ui.machine import console
from codegemma_ui.workers.keras import framework
from codegemma_ui.workers.keras.failures import of_preset, readable

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_LOGGED = re.compile(
    rb"[IWEF]\d{4} |\d{4}-\d\d-\d\d .*: [IWEF] |WARNING: All log messages before absl"
)

EMBEDDING = "model.embed_tokens.weight"


@dataclass(frozen=True)
class Architecture:
    """The sizes of a Gemma (1), as both formats store them.

    Attributes:
        feed_forward: width of the gate, half of KerasHub's `intermediate_dim`.
        norm_epsilon: added by every norm to the mean square.
        rope_base: longest wavelength of the rotary embedding over 2 pi, in positions.
        dtype: precision of the stored weights: "float32", "float16" or "bfloat16".
    """

    vocabulary: int
    layers: int
    hidden: int
    feed_forward: int
    query_heads: int
    kv_heads: int
    head_size: int
    norm_epsilon: float
    rope_base: float
    dtype: str


@dataclass(frozen=True)
class Tensor:
    """One weight.

    Attributes:
        name: transformers' name, such as "model.layers.0.self_attn.q_proj.weight".
        shape: `(outputs, inputs)` of a matrix, `(hidden,)` of a norm.
        read: returns the values, in the stored precision.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]

    @property
    def is_norm(self) -> bool:
        return len(self.shape) == 1

    @property
    def is_embedding(self) -> bool:
        """Return whether this is the embedding, which is also the output layer."""
        return self.name == EMBEDDING

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def values(self, dtype: str) -> np.ndarray:
        """Read the values in a precision of `WIDTHS`, rounded to nearest.

        Raises:
            EngineError: a value is beyond that precision's range.
        """
        import ml_dtypes  # for numpy's bfloat16

        stored = self.read()
        with np.errstate(over="ignore"):
            values = stored.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
        if not np.isfinite(values).all():
            largest = np.abs(stored.astype(np.float32)).max()
            raise EngineError(
                f"A weight of the preset does not fit in {dtype}. Received: {largest:g} in {self.name}",
                "Choose --dtype bfloat16 or float32.",
                code="cannot_export",
            )
        return np.ascontiguousarray(values)


def load(folder: Path, backend: str) -> Any:
    """Load a preset's `GemmaBackbone` in the precision it is stored in, into main memory.

    This fixes the process's Keras backend.

    Args:
        folder: a local KerasHub preset.
        backend: "tensorflow", "jax" or "torch"; all give the same values.

    Raises:
        NotEnoughMemory: the weight files are larger than free memory.
        EngineError: the preset cannot be read.
    """
    stored, main = sum(file.stat().st_size for file in folder.glob("*.h5")), machine.memory_bytes()
    if main is not None and stored > main[1]:
        raise NotEnoughMemory(
            f"The preset's weights take {stored / 1e9:.1f} GB; {main[1] / 1e9:.1f} GB are free here.",
            "Close other programs, or export on a machine with more memory.",
        )
    # A GPU may be smaller than the model, and has nothing to compute here.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    hushed = (
        _silence_tensorflow
        if backend == "tensorflow" and _LOG_LEVEL not in os.environ
        else nullcontext
    )
    framework.before_import(backend, torch_device="cpu")
    try:
        with hushed():
            keras_nlp = importlib.import_module("keras_nlp")
        return keras_nlp.models.GemmaBackbone.from_preset(str(folder), dtype=_stored_dtype(folder))
    except Exception as error:
        raise readable(of_preset(error, folder), "load") from error


@contextmanager
def _silence_tensorflow() -> Iterator[None]:
    """Keep tensorflow's own log, which 2.21 writes at import whatever its level, off stderr."""
    with tempfile.TemporaryFile() as captured:
        try:
            with console.redirected(2, captured.fileno()):
                yield
        finally:
            captured.seek(0)
            kept = [line for line in captured if not _LOGGED.match(line)]
            sys.stderr.write(b"".join(kept).decode(errors="replace"))
            sys.stderr.flush()


def _stored_dtype(folder: Path) -> str | None:
    """Return the precision of a preset's first weight; KerasHub loads them in its own default.

    Keras marks a bfloat16, which HDF5 does not support, with an attribute (`H5Entry`, Keras 3.15).
    """
    import h5py

    def dtype_of(_: str, entry: Any) -> str | None:
        is_weight = isinstance(entry, h5py.Dataset)
        return str(entry.attrs.get("dtype", entry.dtype)) if is_weight else None

    for file in sorted(folder.glob("*.h5")):
        with h5py.File(file) as weights:
            found: str | None = weights.visititems(dtype_of)
            if found is not None:
                return found
    return None


def architecture(backbone: Any) -> Architecture:
    """Return the sizes of a model, if both formats support it.

    Args:
        backbone: a `keras_nlp.models.GemmaBackbone`.

    Raises:
        EngineError: its computation differs from Gemma 1's, or its weights are quantised.
    """
    layers = backbone.transformer_layers
    norms = [backbone.layer_norm]
    for layer in layers:
        norms += [layer.pre_attention_norm, layer.pre_ffw_norm]
    # The layers' actual values: KerasHub 0.32 passes `layer_norm_epsilon` to the last norm only.
    epsilons = {float(norm.epsilon) for norm in norms}
    dtypes = {str(weight.dtype) for weight in backbone.weights}
    extras = {
        "a soft cap on logits": backbone.final_logit_soft_cap,
        "a soft cap on attention": backbone.attention_logit_soft_cap,
        "sliding-window attention": backbone.use_sliding_window_attention,
        "a norm after attention": backbone.use_post_attention_norm,
        "a norm after the feed-forward part": backbone.use_post_ffw_norm,
        f"norms of different epsilons {sorted(epsilons)}": len(epsilons) > 1,
        f"weights in {', '.join(sorted(dtypes))}": len(dtypes) > 1 or not dtypes <= {*WIDTHS},
    }
    found = [name for name, present in extras.items() if present]
    if found:
        raise EngineError(
            "Only CodeGemma's architecture, the first Gemma's, can be exported. "
            f"Received: a preset with {', '.join(found)}.",
            code="cannot_export",
        )
    return Architecture(
        vocabulary=backbone.vocabulary_size,
        layers=backbone.num_layers,
        hidden=backbone.hidden_dim,
        feed_forward=backbone.intermediate_dim // 2,
        query_heads=backbone.num_query_heads,
        kv_heads=backbone.num_key_value_heads,
        head_size=backbone.head_dim,
        norm_epsilon=epsilons.pop(),
        rope_base=float(layers[0].attention.rope_layer.max_wavelength),
        dtype=dtypes.pop(),
    )


def tensors(backbone: Any) -> Iterator[Tensor]:
    """Yield every weight of a model once: the output embedding is the input embedding.

    Args:
        backbone: a `keras_nlp.models.GemmaBackbone`.
    """
    hidden, wide = backbone.hidden_dim, backbone.intermediate_dim // 2
    queries = backbone.num_query_heads * backbone.head_dim
    keys = backbone.num_key_value_heads * backbone.head_dim
    embedding = backbone.token_embedding.embeddings
    yield _tensor("model.embed_tokens", embedding, _as_it_is, backbone.vocabulary_size, hidden)
    for number, layer in enumerate(backbone.transformer_layers):
        attention = layer.attention
        for name, weight, rows, *shape in (
            ("input_layernorm", layer.pre_attention_norm.scale, _as_it_is, hidden),
            ("self_attn.q_proj", attention.query_dense.kernel, _from_heads, queries, hidden),
            ("self_attn.k_proj", attention.key_dense.kernel, _from_heads, keys, hidden),
            ("self_attn.v_proj", attention.value_dense.kernel, _from_heads, keys, hidden),
            ("self_attn.o_proj", attention.output_dense.kernel, _to_hidden, hidden, queries),
            ("post_attention_layernorm", layer.pre_ffw_norm.scale, _as_it_is, hidden),
            ("mlp.gate_proj", layer.gating_ffw.kernel, np.transpose, wide, hidden),
            ("mlp.up_proj", layer.gating_ffw_2.kernel, np.transpose, wide, hidden),
            ("mlp.down_proj", layer.ffw_linear.kernel, np.transpose, hidden, wide),
        ):
            yield _tensor(f"model.layers.{number}.{name}", weight, rows, *shape)
    yield _tensor("model.norm", backbone.layer_norm.scale, _as_it_is, hidden)


def _tensor(
    name: str, weight: Any, rows: Callable[[np.ndarray], np.ndarray], *shape: int
) -> Tensor:
    def read() -> np.ndarray:
        keras = importlib.import_module("keras")
        values = rows(np.asarray(keras.ops.convert_to_numpy(weight)))
        assert values.shape == shape, (name, values.shape, shape)
        return values

    return Tensor(f"{name}.weight", shape, read)


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


def _from_heads(kernel: np.ndarray) -> np.ndarray:
    """Convert `(heads, hidden, head_size)` to `(heads * head_size, hidden)`."""
    return kernel.transpose(0, 2, 1).reshape(-1, kernel.shape[1])


def _to_hidden(kernel: np.ndarray) -> np.ndarray:
    """Convert `(heads, head_size, hidden)` to `(hidden, heads * head_size)`."""
    return kernel.reshape(-1, kernel.shape[2]).T
