"""Create a Gemma of a named shape with random weights, and save it as a KerasHub preset.

`python -m benchmarks.speed.engine.random_preset --shape 20m --folder build/… --backend jax`

The weights are bfloat16, so that large shapes fit, and seeded. The vocabulary is the bundled one, padded to
the shape's size with unused pieces: prompts are real, completions are noise.
"""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.speed.shapes import SHAPES, Shape
from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from codegemma_ui.workers.keras import framework
from codegemma_ui.workers.keras.loading import unmade_variables, untrained

SEED = 0


def main() -> None:
    """Read the flags, make the preset."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True, choices=tuple(SHAPES))
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--backend", required=True)
    given = parser.parse_args()
    framework.before_import(given.backend)
    make(SHAPES[given.shape], given.folder)


def make(shape: Shape, folder: Path) -> None:
    """Build and save.

    Args:
        shape: the numbers.
        folder: of the preset; created if missing.
    """
    keras = importlib.import_module("keras")
    keras_nlp = importlib.import_module("keras_nlp")
    keras.utils.set_random_seed(SEED)
    numbers = asdict(shape)
    for name in ("name", "context_length"):
        del numbers[name]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / VOCABULARY_FILE.name
    vocabulary.write_bytes(padded_vocabulary(shape.vocabulary_size))
    # Each variable is drawn when it is saved, and then freed.
    with unmade_variables(), untrained(keras_nlp.models.GemmaCausalLM):
        backbone = keras_nlp.models.GemmaBackbone(**numbers, dtype="bfloat16")
        _spread(keras, backbone)
        tokenizer = keras_nlp.models.GemmaTokenizer(proto=str(vocabulary))
        preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(
            tokenizer=tokenizer, sequence_length=shape.context_length
        )
        model = keras_nlp.models.GemmaCausalLM(backbone=backbone, preprocessor=preprocessor)
        model.save_to_preset(str(folder))
    vocabulary.unlink()
    facts = {"context_length": shape.context_length, "layouts": ["psm", "spm"]}
    (folder / presets.FIM_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _spread(keras: Any, backbone: Any) -> None:
    """Initialise embedding and final norm so that one token wins clearly, and not always the previous one.

    KerasHub initialises the embedding of a large vocabulary with such small values that all tokens are about
    equally likely: greedy decoding would depend on the last bit. With logits of about 1 instead, the previous
    token would always win, as its embedding is part of the final state. A final norm of random signs prevents
    that.
    """
    embedding = backbone.token_embedding.embeddings
    scale = backbone.layer_norm.scale  # to which Gemma adds 1
    random = keras.random.SeedGenerator(SEED)
    deviation = backbone.hidden_dim**-0.5
    embedding.assign(keras.random.normal(embedding.shape, stddev=deviation, seed=random))
    scale.assign(keras.random.normal(scale.shape, mean=-1.0, seed=random))


def padded_vocabulary(size: int) -> bytes:
    """The bundled SentencePiece model with unused pieces up to `size`.

    Raises:
        ValueError: it already has more pieces.
    """
    protobuf = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    model = protobuf.ModelProto()
    model.ParseFromString((presets.BUNDLED_FOLDER / VOCABULARY_FILE).read_bytes())
    missing = size - len(model.pieces)
    if missing < 0:
        raise ValueError(f"size must be from {len(model.pieces)} up. Received: {size}")
    for number in range(missing):
        model.pieces.add(
            piece=f"<unused-{number}>", score=0.0, type=protobuf.ModelProto.SentencePiece.UNUSED
        )
    model.trainer_spec.vocab_size = size
    serialized: bytes = model.SerializeToString()
    return serialized


if __name__ == "__main__":
    main()
