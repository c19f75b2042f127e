"""A preset as one GGUF file for llama.cpp, written by the `gguf` library.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. llama.cpp expects of the architecture
"gemma", without it being in the file: norms that multiply by the stored value, so KerasHub's scale plus 1;
norms in float32 whatever the other precision; rows not divisible into blocks in float16, as in its own
converter; user-defined pieces with plain spaces, since they are matched before spaces become U+2581. Only a
text with several U+2581 in a row then gets other ids than from SentencePiece; the engine encodes that
character as bytes (`vocabulary`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from codegemma_ui import fim, presets
from codegemma_ui.commands.export.formats import WIDTHS
from codegemma_ui.commands.export.loaded_preset import LoadedPreset
from codegemma_ui.commands.export.pieces import SPACE, Kind
from codegemma_ui.commands.export.weight_reader import Tensor
from codegemma_ui.fim.vocabulary import vocabulary_file

_TYPES = {
    "float32": ("F32", "ALL_F32"),
    "float16": ("F16", "MOSTLY_F16"),
    "bfloat16": ("BF16", "MOSTLY_BF16"),
    "q8_0": ("Q8_0", "MOSTLY_Q8_0"),
    "q4_0": ("Q4_0", "MOSTLY_Q4_0"),
}
"""Our names -> those of `gguf.GGMLQuantizationType` and `gguf.LlamaFileType`."""

_EMBEDDING = {"q4_0": "Q8_0"}
"""Token embedding types that differ: Gemma's is its output layer too, which llama.cpp's own quantiser keeps
in 6 bits (Q6_K) in a Q4_0 file, and which `gguf` can write in 8."""


def file_name(source: LoadedPreset, dtype: str) -> str:
    """Return a name such as `code_gemma_2b_en-Q8_0.gguf`."""
    return f"{source.name}-{_TYPES[dtype][0]}.gguf"


def size(source: LoadedPreset, dtype: str) -> int:
    """Return the approximate size on disk."""
    weights = sum(_bytes(tensor, dtype) for tensor in source.tensors)
    return weights + 2 * vocabulary_file(source.folder).stat().st_size


def write(
    source: LoadedPreset, dtype: str, folder: Path, report: Callable[[int, int], None]
) -> None:
    """Write the file.

    Args:
        dtype: one of `formats.DTYPES`.
        folder: an empty folder.
        report: called with the number of weights written and in total.

    Raises:
        EngineError: a weight is too large for float16.
    """
    import gguf

    writer = gguf.GGUFWriter(folder / file_name(source, dtype), "gemma")
    _add_architecture(writer, source, dtype)
    _add_vocabulary(writer, source)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA, source.architecture.layers)
    for tensor in source.tensors:
        name = names.get_name(tensor.name, try_suffixes=(".weight",))
        assert name is not None, tensor.name
        array = np.dtype(np.float32)  # irrelevant if the type is given
        kind, length = _type(tensor, dtype), _bytes(tensor, dtype)
        writer.add_tensor_info(name, tensor.shape, array, length, kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for written, tensor in enumerate(source.tensors, start=1):
            writer.write_tensor_data(_values(tensor, dtype))
            report(written, len(source.tensors))
    finally:
        writer.close()


def _type(tensor: Tensor, dtype: str) -> Any:
    import gguf

    name = _TYPES[dtype][0]
    if tensor.is_norm:
        name = "F32"
    elif tensor.is_embedding:
        name = _EMBEDDING.get(dtype, name)
    kind = gguf.GGMLQuantizationType[name]
    divides = tensor.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
    return kind if divides else gguf.GGMLQuantizationType.F16


def _bytes(tensor: Tensor, dtype: str) -> int:
    """Return the bytes of a tensor in the file."""
    import gguf

    block_values, block_bytes = gguf.GGML_QUANT_SIZES[_type(tensor, dtype)]
    return int(math.prod(tensor.shape) // block_values * block_bytes)


def _values(tensor: Tensor, dtype: str) -> np.ndarray:
    """Return the array as stored in the file."""
    import gguf

    if tensor.is_norm:
        return np.float32(1) + tensor.values("float32")
    if dtype in WIDTHS:
        return tensor.values(dtype)
    kind = _type(tensor, dtype)
    if kind == gguf.GGMLQuantizationType.F16:
        return tensor.values("float16")
    return np.asarray(gguf.quantize(tensor.values("float32"), kind))


def _add_architecture(writer: Any, source: LoadedPreset, dtype: str) -> None:
    import gguf

    sizes = source.architecture
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(source.name)
    if source.preset.codegemma:
        writer.add_license("gemma")
        writer.add_license_link(presets.GEMMA_TERMS)
    writer.add_file_type(gguf.LlamaFileType[_TYPES[dtype][1]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(source.preset.context_length)
    writer.add_embedding_length(sizes.hidden)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.query_heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_key_length(sizes.head_size)
    writer.add_value_length(sizes.head_size)
    writer.add_layer_norm_rms_eps(sizes.norm_epsilon)
    writer.add_rope_dimension_count(sizes.head_size)
    writer.add_rope_freq_base(sizes.rope_base)


def _add_vocabulary(writer: Any, source: LoadedPreset) -> None:
    import gguf

    pieces, ids = source.pieces, source.pieces.ids
    writer.add_tokenizer_model("llama")
    writer.add_token_list(
        [
            piece.text.replace(SPACE, " ") if piece.kind == Kind.USER_DEFINED else piece.text
            for piece in pieces.all
        ]
    )
    writer.add_token_scores([piece.score for piece in pieces.all])
    writer.add_token_types([gguf.TokenType[piece.kind.name] for piece in pieces.all])
    writer.add_pad_token_id(ids[pieces.pad])
    writer.add_eos_token_id(ids[pieces.eos])
    writer.add_bos_token_id(ids[pieces.bos])
    writer.add_unk_token_id(ids[pieces.unknown])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    # Given its id, llama.cpp ends a completion at the separator too, not only at `<eos>`.
    for key, token in (
        (gguf.KEY_TOKENIZER_FIM_PRE_ID, fim.FIM_PREFIX),
        (gguf.KEY_TOKENIZER_FIM_SUF_ID, fim.FIM_SUFFIX),
        (gguf.KEY_TOKENIZER_FIM_MID_ID, fim.FIM_MIDDLE),
        (gguf.KEY_TOKENIZER_FIM_SEP_ID, fim.FILE_SEPARATOR),
    ):
        writer.add_uint32(key, ids[token])
    if fim.END_OF_TURN in ids:
        writer.add_eot_token_id(ids[fim.END_OF_TURN])
