"""A preset as a folder that Hugging Face transformers loads, written without transformers.

`AutoModelForCausalLM.from_pretrained` reads config.json, generation_config.json and the safetensors;
`AutoTokenizer.from_pretrained` reads tokenizer.json and tokenizer_config.json; `tokenizer.model` is the
SentencePiece vocabulary itself, for programs that need it. Readable by transformers 4 and 5.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegemma_ui.commands.export import tokenizer_json
from codegemma_ui.commands.export.formats import WIDTHS
from codegemma_ui.commands.export.loaded_preset import LoadedPreset
from codegemma_ui.commands.export.weight_reader import Tensor
from codegemma_ui.fim.vocabulary import vocabulary_file

SHARD_BYTES = 2 * 10**9
"""Maximum size of a weight file, except with a single tensor; one file at a time is in memory."""


def size(source: LoadedPreset, dtype: str) -> int:
    """Return the approximate size on disk."""
    return source.parameters * WIDTHS[dtype] + 2 * vocabulary_file(source.folder).stat().st_size


def write(
    source: LoadedPreset, dtype: str, folder: Path, report: Callable[[int, int], None]
) -> None:
    """Write the files.

    Args:
        dtype: "float32", "float16" or "bfloat16".
        folder: an empty folder.
        report: called with the number of weights written and in total.

    Raises:
        EngineError: a weight is too large for float16.
    """
    _write_weights(source.tensors, dtype, folder, report)
    _write_json(folder / "config.json", _config(source, dtype))
    _write_json(folder / "generation_config.json", _generation_config(source))
    tokenizer_json.build(source.pieces).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(source))
    shutil.copyfile(vocabulary_file(source.folder), folder / "tokenizer.model")


def _write_weights(
    tensors: tuple[Tensor, ...], dtype: str, folder: Path, report: Callable[[int, int], None]
) -> None:
    from huggingface_hub import split_state_dict_into_shards_factory
    from safetensors.numpy import save_file

    shards = split_state_dict_into_shards_factory(
        {tensor.name: tensor for tensor in tensors},
        get_storage_size=lambda tensor: tensor.size * WIDTHS[dtype],
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=SHARD_BYTES,
    )
    named, written = {tensor.name: tensor for tensor in tensors}, 0
    for file, names in shards.filename_to_tensors.items():
        values = {}
        for name in names:
            values[name] = named[name].values(dtype)
            written += 1
            report(written, len(tensors))
        save_file(values, folder / file, metadata={"format": "pt"})
    if shards.is_sharded:
        index = {"metadata": shards.metadata, "weight_map": shards.tensor_to_filename}
        _write_json(folder / "model.safetensors.index.json", index)


def _config(source: LoadedPreset, dtype: str) -> dict[str, Any]:
    """Return the keys of `transformers.GemmaConfig`."""
    sizes, ids = source.architecture, source.pieces.ids
    return {
        "architectures": ["GemmaForCausalLM"],
        "model_type": "gemma",
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.feed_forward,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.query_heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_size,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": source.preset.context_length,
        "rms_norm_eps": sizes.norm_epsilon,
        "rope_theta": sizes.rope_base,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "pad_token_id": ids[source.pieces.pad],
        "eos_token_id": ids[source.pieces.eos],
        "bos_token_id": ids[source.pieces.bos],
        "torch_dtype": dtype,
    }


def _generation_config(source: LoadedPreset) -> dict[str, Any]:
    """Make `generate()` stop where the playground does: at a FIM token, the file separator or `<eos>`."""
    ids = source.pieces.ids
    return {
        "pad_token_id": ids[source.pieces.pad],
        "eos_token_id": sorted(source.stop_ids),
        "bos_token_id": ids[source.pieces.bos],
    }


def _tokenizer_config(source: LoadedPreset) -> dict[str, Any]:
    """Use the generic class: `GemmaTokenizer` adds a `<mask>` that has no embedding row."""
    pieces = source.pieces
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": pieces.pad,
        "eos_token": pieces.eos,
        "bos_token": pieces.bos,
        "unk_token": pieces.unknown,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_max_length": source.preset.context_length,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
