"""Detect a model's storage format from its file names and config.json. Pure.

A listing costs nothing; weights are gigabytes. So repositories are checked before download, and folders
before loading.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Format = Literal[
    "keras_hub",
    "transformers",
    "adapter",
    "safetensors",
    "gguf",
    "pytorch",
    "flax",
    "tensorflow",
    "onnx",
    "keras",
    "dataset",
    "unknown",
]

LOADABLE: frozenset[Format] = frozenset({"keras_hub", "transformers", "unknown"})
"""Formats that the engine may be able to load; for an unknown one, loading decides."""

GEMMA_TYPES = ("gemma", "gemma2")
"""transformers' `model_type`s that KerasHub converts to a `GemmaBackbone`."""

CONFIG_FILE = "config.json"

EXPECTED = (
    "a KerasHub preset with config.json, model.weights.h5 or model.weights.json, and "
    "assets/tokenizer/vocabulary.spm, or a Gemma in transformers' format with config.json, safetensors and "
    "tokenizer.model"
)

BACKBONE = "GemmaBackbone"
"""KerasHub's class for CodeGemma's architecture."""

LABELS: dict[Format, str] = {
    "keras_hub": "a KerasHub preset",
    "transformers": "Hugging Face transformers' format",
    "adapter": "an adapter (PEFT, such as LoRA), which is not a whole model",
    "safetensors": "weights of another library",
    "gguf": "llama.cpp's format",
    "pytorch": "a PyTorch checkpoint",
    "flax": "a Flax checkpoint",
    "tensorflow": "a TensorFlow model",
    "onnx": "an ONNX model",
    "keras": "a Keras model that is not a KerasHub preset",
    "dataset": "a dataset",
    "unknown": "no weights that are known here",
}

# The first format with a matching name wins: transformers repositories often contain a GGUF file or an older
# .bin as well. Paths are relative, with slashes.
_SIGNS: dict[Format, str] = {
    "keras_hub": r"model\.weights\.(h5|json)|model_\d+\.weights\.h5|assets/tokenizer/.+",
    "transformers": r"model([-.][^/]+)?\.safetensors(\.index\.json)?",
    "adapter": r"adapter_config\.json|adapter_model\.\w+",
    "safetensors": r".+\.safetensors",
    "gguf": r".+\.(gguf|ggml)",
    "pytorch": r"(.*/)?pytorch_model.*\.bin(\.index\.json)?|.+\.(pt|pth|ckpt)",
    "flax": r".+\.msgpack|(.*/)?(_CHECKPOINT_METADATA|_METADATA)",
    "tensorflow": r"(.*/)?saved_model\.pb|tf_model\.h5|.+\.tflite",
    "onnx": r".+\.onnx",
    "keras": r".+\.(keras|h5|hdf5)",
    "dataset": r".+\.(parquet|arrow)",
}


@dataclass(frozen=True)
class Seen:
    """A detected format and its evidence.

    Attributes:
        sign: a file name, or a line of config.json; empty if unknown.
    """

    format: Format
    sign: str = ""

    @property
    def loadable(self) -> bool:
        """Return whether the engine may be able to load it."""
        return self.format in LOADABLE

    def __str__(self) -> str:
        return f"{self.sign}, {LABELS[self.format]}" if self.sign else LABELS[self.format]


def format_of(names: Iterable[str]) -> Seen:
    """Return the format indicated by file names.

    Args:
        names: paths inside a repository or a folder, with slashes.
    """
    ordered = sorted(names)
    for name, sign in _SIGNS.items():
        for path in ordered:
            if re.fullmatch(sign, path, re.IGNORECASE):
                return Seen(name, path)
    return Seen("unknown")


def format_at(path: Path) -> Seen:
    """Return the format of a local folder or file.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return format_of([path.name])
    inside = [entry.name for entry in path.iterdir()]
    tokenizer = path / "assets" / "tokenizer"
    if tokenizer.is_dir():
        inside += [f"assets/tokenizer/{entry.name}" for entry in tokenizer.iterdir()]
    seen = format_of(inside)
    return seen if seen.format != "unknown" else format_of_config(config_in(path))


def config_in(folder: Path) -> Mapping[str, Any]:
    """Return a folder's config.json; empty if missing or unreadable."""
    with contextlib.suppress(OSError, ValueError):
        config = json.loads((folder / CONFIG_FILE).read_bytes())
        return config if isinstance(config, dict) else {}
    return {}


def format_of_config(config: Mapping[str, Any]) -> Seen:
    """Return the format indicated by config.json, as in KerasHub (`get_preset_loader`)."""
    if "registered_name" in config:
        return Seen("keras_hub", f"registered_name {config['registered_name']!r} in config.json")
    for field in ("model_type", "architectures"):
        if field in config:
            return Seen("transformers", f"{field} {config[field]!r} in config.json")
    return Seen("unknown")


def wanted(names: Iterable[str]) -> list[str]:
    """Return the files needed for loading: for transformers' format, no others."""
    every = list(names)
    if format_of(every).format != "transformers":
        return every
    return [name for name in every if re.fullmatch(_TRANSFORMERS_FILES, name)]


_TRANSFORMERS_FILES = r"[^/]+\.json|tokenizer\.model|model[^/]*\.safetensors"


def parameters_of(config: Mapping[str, Any]) -> int | None:
    """Return the number of weights of a Gemma in transformers' format, or None if unknown."""
    try:
        hidden, layers = config["hidden_size"], config["num_hidden_layers"]
        queries = config["num_attention_heads"] * config["head_dim"]
        keys = config["num_key_value_heads"] * config["head_dim"]
        norms = 4 if config["model_type"] == "gemma2" else 2
        layer = hidden * (2 * queries + 2 * keys + 3 * config["intermediate_size"] + norms)
        return int(config["vocab_size"] * hidden + layers * layer + hidden)
    except (KeyError, TypeError):
        return None


def kv_bytes_per_token(config: Mapping[str, Any]) -> int:
    """Return the bytes of a token's keys and values in a two-byte precision, for a Gemma in either format; 0
    if unknown."""
    numbers = config.get("config", config)  # Keras nests them under the class's config
    try:
        layers = numbers["num_layers" if "config" in config else "num_hidden_layers"]
        return int(2 * 2 * layers * numbers["num_key_value_heads"] * numbers["head_dim"])
    except (KeyError, TypeError):
        return 0


def other_architecture(config: Mapping[str, Any]) -> str | None:
    """Return the class of a KerasHub preset's model if it is not CodeGemma's, such as `BertBackbone`."""
    registered = config.get("registered_name")
    if not isinstance(registered, str):
        return None
    name = registered.rpartition(">")[2]
    return None if name == BACKBONE else name


def wrong_at(path: Path) -> str | None:
    """Return why a folder or a file cannot be loaded, as far as its small files show, or None.

    Raises:
        OSError: it cannot be read.
    """
    seen, config = format_at(path), config_in(path)
    if not seen.loadable:
        return str(seen)
    if seen.format == "transformers" and config:
        kind = config.get("model_type")
        if kind not in GEMMA_TYPES:
            return f"{seen} of the architecture {kind}"
        has_weights = any(
            path.glob("*.safetensors")
        )  # still missing if only small files were fetched
        lacks = has_weights and not (path / "tokenizer.model").is_file()
        return f"{seen} without tokenizer.model" if lacks else None
    other = other_architecture(config)
    return None if other is None else f"a KerasHub preset of the architecture {other}"
