"""Shard a model over several devices, on jax: `keras.distribution.ModelParallel` with our own layout map.

KerasHub's map for a Gemma (`GemmaBackbone.get_layout_map`, keras-hub 0.32) shards keys and values by their
heads, which fails with fewer heads than devices: CodeGemma 2B has one. Here, dimensions not divisible by the
number of devices are replicated, and the rest is sharded as in that map.

Sharded by outputs, then by inputs, a pair of matrices needs one sum over the devices, as in Megatron-LM
(https://arxiv.org/abs/1909.08053, section 3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegemma_ui.errors import LoadFailed

AXIS = "model"
"""Axis of the device mesh over which variables are sharded."""

SIZES = ("vocabulary_size", "num_query_heads", "num_key_value_heads", "intermediate_dim")
"""Shardable sizes of a Gemma, by their config names."""

THEIR_SIZES = {
    "vocabulary_size": "vocab_size",
    "num_query_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "intermediate_dim": "intermediate_size",
}
"""The same by transformers' names, which count the feed-forward width once."""


def distribute(folder: Path, devices: int) -> None:
    """Shard every variable that Keras creates from now on over the first `devices` devices.

    Args:
        folder: folder of the preset to be loaded.
        devices: number of devices.

    Raises:
        LoadFailed: there are fewer devices, or the folder does not state the model's sizes.
    """
    import keras

    there = keras.distribution.list_devices()
    if len(there) < devices:
        raise LoadFailed(
            f"--model-parallel must be at most the number of jax's devices, {len(there)}. "
            f"Received: {devices}",
            "Lower it, or show jax more devices; on a CPU "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={devices} makes as many.",
            code="not_enough_devices",
        )
    mesh = keras.distribution.DeviceMesh((1, devices), ("batch", AXIS), there[:devices])
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout_map(mesh, _sizes(folder)), batch_dim_name="batch"
        )
    )


def _sizes(folder: Path) -> dict[str, int]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
        if "config" in config:
            return {name: int(config["config"][name]) for name in SIZES}
        sizes = {name: int(config[theirs]) for name, theirs in THEIR_SIZES.items()}
        return sizes | {"intermediate_dim": 2 * sizes["intermediate_dim"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadFailed(
            f"A Gemma preset must state its sizes in config.json. Received: {type(error).__name__}",
            "Choose another model, or start without --model-parallel.",
        ) from error


def layout_map(mesh: Any, sizes: Mapping[str, int]) -> Any:
    """Return the sharding of a Gemma's variables.

    Args:
        mesh: `keras.distribution.DeviceMesh` with an axis `AXIS`.
        sizes: the backbone's `SIZES`.

    Returns:
        A `keras.distribution.LayoutMap`; variables it does not name are replicated.
    """
    import keras

    devices = mesh.shape[mesh.axis_names.index(AXIS)]

    def sharded(size: int) -> str | None:
        return AXIS if size % devices == 0 else None

    queries, keys = sharded(sizes["num_query_heads"]), sharded(sizes["num_key_value_heads"])
    width = sharded(sizes["intermediate_dim"] // 2)  # KerasHub counts gate and up together
    found = keras.distribution.LayoutMap(mesh)
    found["token_embedding/embeddings"] = (sharded(sizes["vocabulary_size"]), None)
    found["decoder_block.*attention.query.kernel"] = (queries, None, None)
    found["decoder_block.*attention.(key|value).kernel"] = (keys, None, None)
    found["decoder_block.*attention_output.kernel"] = (queries, None, None)
    found["decoder_block.*ffw_gating.kernel"] = (None, width)
    found["decoder_block.*ffw_gating_2.kernel"] = (None, width)
    found["decoder_block.*ffw_linear.kernel"] = (width, None)
    return found


def mesh() -> Any | None:
    """Return the `jax.sharding.Mesh` of the variables, or None for a single device."""
    import keras

    distribution = keras.distribution.distribution()
    return None if distribution is None else distribution.device_mesh.backend_mesh


def place_of(variable: Any) -> Any | None:
    """Return the `jax.sharding.NamedSharding` for a variable's value, or None for a single device."""
    import keras

    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    return distribution.get_variable_layout(variable).backend_layout
