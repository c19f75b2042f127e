"""Write a checkpoint as a KerasHub preset, float16, in shards under 9 MB.

    KERAS_BACKEND=torch python -m training.export --folder build/training --to codegemma_ui/models/NAME

The model card, `README.md`, is written by hand and left unchanged.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.model import Shape
from training.pack import CONTEXT

SHARD_GB = 0.008


def preset(weights: dict[str, torch.Tensor], shape: Shape, vocabulary: Path) -> Any:
    """Return a float16 `GemmaCausalLM` with a checkpoint's weights.

    Args:
        weights: `training.model.Gemma.state_dict()`.
        shape: the sizes of the model.
        vocabulary: the SentencePiece model's file.
    """
    import keras_nlp

    models = keras_nlp.models
    backbone = models.GemmaBackbone(
        vocabulary_size=shape.vocabulary,
        num_layers=shape.layers,
        num_query_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        hidden_dim=shape.dim,
        intermediate_dim=2 * shape.feed_forward,
        head_dim=shape.head_dim,
        dtype="float16",
    )
    backbone.get_layer("token_embedding").set_weights([_array(weights["embedding"])])
    for number in range(shape.layers):
        part = {
            name.removeprefix(f"blocks.{number}."): _array(weight)
            for name, weight in weights.items()
            if name.startswith(f"blocks.{number}.")
        }
        layer = backbone.get_layer(f"decoder_block_{number}")
        _fill(layer, part, shape)
    backbone.get_layer("final_normalization").set_weights([_array(weights["final"])])
    tokenizer = models.GemmaTokenizer(proto=str(vocabulary))
    preprocessor = models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=CONTEXT)
    return models.GemmaCausalLM(backbone, preprocessor)


def _array(weight: torch.Tensor) -> np.ndarray:
    array: np.ndarray = weight.detach().float().cpu().numpy()
    return array


def _fill(layer: Any, part: dict[str, np.ndarray], shape: Shape) -> None:
    """Fill one decoder layer: our rows are outputs, KerasHub's kernels are heads x inputs x head size."""
    rows = part["qkv"].reshape(-1, shape.head_dim, shape.dim).transpose(0, 2, 1)
    q, k, v = np.split(rows, [shape.heads, shape.heads + shape.kv_heads])
    attention = layer.attention
    attention.query_dense.set_weights([q])
    attention.key_dense.set_weights([k])
    attention.value_dense.set_weights([v])
    attention.output_dense.set_weights(
        [part["output"].T.reshape(shape.heads, shape.head_dim, shape.dim)]
    )
    layer.pre_attention_norm.set_weights([part["pre_attention"]])
    layer.pre_ffw_norm.set_weights([part["pre_feed_forward"]])
    layer.gating_ffw.set_weights([part["gate"].T])
    layer.gating_ffw_2.set_weights([part["up"].T])
    layer.ffw_linear.set_weights([part["down"].T])


def write(model: Any, folder: Path) -> None:
    """Save the preset and what it was trained for; an existing card is kept."""
    card = folder / "README.md"
    kept = card.read_text(encoding="utf-8") if card.exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    model.save_to_preset(str(folder), max_shard_size=SHARD_GB)
    trained = {"context_length": CONTEXT, "layouts": ["psm", "spm"]}
    (folder / "fim.json").write_text(json.dumps(trained, indent=2) + "\n", encoding="utf-8")
    if kept is not None:
        card.write_text(kept, encoding="utf-8")


def main() -> None:
    """Export the folder's checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--to", type=Path, default=Path("build/training/exported"))
    parser.add_argument("--average", action="store_true", help="the averaged weights")
    options = parser.parse_args()
    state = torch.load(options.folder / "checkpoint.pt", map_location="cpu")
    model = preset(
        state["average" if options.average else "model"],
        Shape(**state["shape"]),
        options.folder / "vocabulary.spm",
    )
    write(model, options.to)
    print(f"{options.to}: {state['tokens']:,} tokens, {state['seconds'] / 3600:.2f} hours")


if __name__ == "__main__":
    main()
