"""One model over several devices, on jax: `keras.distribution.ModelParallel` with a layout map of our own.

KerasHub's map for a Gemma (`GemmaBackbone.get_layout_map`, keras-hub 0.32) parts keys and values by their
heads, which fails where there are fewer heads than devices: CodeGemma 2B has one. Here whatever the devices
do not divide is kept whole on each of them, and all else is sharded as that map parts it.

Parted by outputs, then by inputs, a pair of matrices needs one sum over the devices: Megatron-LM's way
(https://arxiv.org/abs/1909.08053, section 3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegemma_ui.errors import LoadFailed

AXIS = "model"
"""Of the mesh of devices: what is sharded is sharded over it."""

SIZES = ("vocabulary_size", "num_query_heads", "num_key_value_heads", "intermediate_dim")
"""Of a Gemma, by the names of its config: what may be sharded."""

THEIR_SIZES = {
    "vocabulary_size": "vocab_size",
    "num_query_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "intermediate_dim": "intermediate_size",
}
"""The same by the names of transformers, which counts the feed-forward's width once."""


def distribute(folder: Path, devices: int) -> None:
    """Have every variable that Keras makes from now on sharded over the first few devices.

    Args:
        folder: of the preset whose variables these will be.
        devices: how many.

    Raises:
        LoadFailed: there are fewer, or the folder does not say how large its model is.
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
            f"A preset of a Gemma must say its sizes in config.json. Received: {type(error).__name__}",
            "Choose another model, or start without --model-parallel.",
        ) from error


def layout_map(mesh: Any, sizes: Mapping[str, int]) -> Any:
    """What of a Gemma is sharded how.

    Args:
        mesh: a `keras.distribution.DeviceMesh` with an axis `AXIS`.
        sizes: the backbone's `SIZES`.

    Returns:
        A `keras.distribution.LayoutMap`; variables that it does not name are whole on every device.
    """
    import keras

    devices = mesh.shape[mesh.axis_names.index(AXIS)]

    def sharded(size: int) -> str | None:
        return AXIS if size % devices == 0 else None

    queries, keys = sharded(sizes["num_query_heads"]), sharded(sizes["num_key_value_heads"])
    width = sharded(sizes["intermediate_dim"] // 2)  # KerasHub counts it with the gate's
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
    """The `jax.sharding.Mesh` that variables are sharded over; None where each is on one device."""
    import keras

    distribution = keras.distribution.distribution()
    return None if distribution is None else distribution.device_mesh.backend_mesh


def place_of(variable: Any) -> Any | None:
    """The `jax.sharding.NamedSharding` that a variable's value belongs in; None where there is one device."""
    import keras

    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    return distribution.get_variable_layout(variable).backend_layout
