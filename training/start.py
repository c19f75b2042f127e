"""Convert a shipped preset, weights and vocabulary, to a checkpoint from which `train` continues.

    KERAS_BACKEND=torch python -m training.start --preset codegemma_ui/models/NAME --folder build/training

A preset does not contain the optimisers' state: the schedule restarts, with its short warm-up.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from training.model import Shape


def shape_of(backbone: Any) -> Shape:
    """Return the sizes of a KerasHub `GemmaBackbone`."""
    return Shape(
        vocabulary=backbone.vocabulary_size,
        layers=backbone.num_layers,
        dim=backbone.hidden_dim,
        heads=backbone.num_query_heads,
        kv_heads=backbone.num_key_value_heads,
        head_dim=backbone.head_dim,
        feed_forward=backbone.intermediate_dim // 2,
    )


def weights_of(backbone: Any) -> dict[str, torch.Tensor]:
    """Return a backbone's weights under the names of `training.model.Gemma`: the inverse of `export`."""
    arrays = {
        "embedding": _one(backbone.get_layer("token_embedding")),
        "final": _one(backbone.get_layer("final_normalization")),
    }
    for number in range(backbone.num_layers):
        layer = backbone.get_layer(f"decoder_block_{number}")
        attention = layer.attention
        projections = (attention.query_dense, attention.key_dense, attention.value_dense)
        rows = np.concatenate([_one(dense) for dense in projections])  # heads x inputs x head size
        output = _one(attention.output_dense)
        part = {
            "pre_attention": _one(layer.pre_attention_norm),
            "qkv": rows.transpose(0, 2, 1).reshape(-1, rows.shape[1]),
            "output": output.reshape(-1, output.shape[-1]).T,
            "pre_feed_forward": _one(layer.pre_ffw_norm),
            "gate": _one(layer.gating_ffw).T,
            "up": _one(layer.gating_ffw_2).T,
            "down": _one(layer.ffw_linear).T,
        }
        arrays |= {f"blocks.{number}.{name}": array for name, array in part.items()}
    return {name: torch.tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _one(layer: Any) -> np.ndarray:
    return np.asarray(layer.get_weights()[0], np.float32)


def main() -> None:
    """Write `FOLDER/checkpoint.pt` and `FOLDER/vocabulary.spm`; run `pack` next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    options = parser.parse_args()

    import keras_nlp

    backbone = keras_nlp.models.GemmaBackbone.from_preset(str(options.preset), dtype="float32")
    options.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.preset / VOCABULARY_FILE, options.folder / "vocabulary.spm")
    state = {"shape": asdict(shape_of(backbone)), "model": weights_of(backbone)}
    torch.save(state, options.folder / "checkpoint.pt")
    print(json.dumps(state["shape"]))


if __name__ == "__main__":
    main()
