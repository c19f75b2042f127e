"""The contents of a GGUF file, read by the gguf library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file

from codegemma_ui import fim, presets
from codegemma_ui.commands.export import gguf_file, pieces
from codegemma_ui.commands.export.loaded_preset import LoadedPreset
from codegemma_ui.commands.export.weight_reader import Architecture, Tensor
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import Vocabulary
from tests.commands.export.exported import Exported


def field(file: Path | gguf.GGUFReader, key: str) -> Any:
    reader = gguf.GGUFReader(file) if isinstance(file, Path) else file
    found = reader.get_field(key)
    return None if found is None else found.contents()


def arrays(file: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Map each name to its type and its values as float32."""
    return {
        one.name: (one.tensor_type.name, gguf.dequantize(one.data, one.tensor_type))
        for one in gguf.GGUFReader(file).tensors
    }


@pytest.mark.parametrize(("name", "heads"), [("one_kv_head", 1), ("four_kv_heads", 4)])
def test_every_key_and_value_head_is_there(exported: Exported, name: str, heads: int) -> None:
    assert field(exported.gguf(name), "gemma.attention.head_count_kv") == heads
    weights = arrays(exported.gguf(name))
    for letter in "kv":
        _, rows = weights[f"blk.1.attn_{letter}.weight"]
        assert rows.shape == (heads * 16, 64)
        assert all(np.abs(head).max() > 0 for head in np.split(rows, heads))


def test_norms_are_one_more_than_kerashubs(exported: Exported) -> None:
    theirs = arrays(exported.gguf("one_kv_head"))
    ours = load_file(exported.folder / "one_kv_head-transformers" / "model.safetensors")
    for gguf_name, name in (
        ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"),
        ("blk.1.ffn_norm.weight", "model.layers.1.post_attention_layernorm.weight"),
        ("output_norm.weight", "model.norm.weight"),
    ):
        assert np.abs(ours[name]).max() > 0.1
        np.testing.assert_array_equal(theirs[gguf_name][1], 1 + ours[name])


@pytest.mark.parametrize(
    ("dtype", "kind", "relative"),
    [
        ("float16", "F16", 2**-11),
        ("bfloat16", "BF16", 2**-8),
        ("q8_0", "Q8_0", 0),
        ("q4_0", "Q4_0", 0),
    ],
)
def test_matrices_are_in_the_precision_and_norms_in_float32(
    exported: Exported, dtype: str, kind: str, relative: float
) -> None:
    exact = arrays(exported.gguf("fim_small"))
    for name, (found, values) in arrays(exported.gguf(f"fim_small-{dtype}")).items():
        expected = exact[name][1]
        if expected.ndim == 1:
            assert found == "F32"
            np.testing.assert_array_equal(values, expected)
            continue
        in_8_bits = dtype == "q8_0" or (dtype, name) == ("q4_0", "token_embd.weight")
        assert found == ("Q8_0" if in_8_bits else kind)
        step = np.abs(expected) * relative + 2**-25  # of float16's smallest
        blocks = np.abs(expected).reshape(len(expected), -1, 32).max(-1)
        if in_8_bits:
            # Half a step of 1/127 of the block's largest value, plus the rounding of the scale to float16.
            step = np.repeat(blocks * (0.5 / 127 + 2**-11) + 2**-25, 32, axis=-1)
        elif dtype == "q4_0":
            # Of 16 levels the largest is at -8, so a value of the other sign may be cut from 8 to 7.
            step = np.repeat(blocks * (1 / 8 + 2**-11) + 2**-25, 32, axis=-1)
        assert (np.abs(values - expected) <= step).all()


def test_the_file_says_what_llama_cpp_needs(exported: Exported, vocabulary: Vocabulary) -> None:
    file = gguf.GGUFReader(exported.gguf("fim_small"))
    bundled = presets.bundled()
    assert field(file, "general.architecture") == "gemma"
    assert field(file, "general.name") == "fim_small"
    assert field(file, "general.license") is None
    assert field(file, "gemma.context_length") == bundled.context_length
    assert field(file, "tokenizer.ggml.model") == "llama"
    assert field(file, "tokenizer.ggml.add_bos_token") is True
    assert field(file, "tokenizer.ggml.add_space_prefix") is False
    assert field(file, "tokenizer.ggml.bos_token_id") == vocabulary.bos_id
    assert field(file, "tokenizer.ggml.eos_token_id") == vocabulary.eos_id
    kinds = field(file, "tokenizer.ggml.token_type")
    for key, token in (
        ("fim_pre", fim.FIM_PREFIX),
        ("fim_suf", fim.FIM_SUFFIX),
        ("fim_mid", fim.FIM_MIDDLE),
        ("fim_sep", fim.FILE_SEPARATOR),
    ):
        token_id = vocabulary.control_id(token)
        assert field(file, f"tokenizer.ggml.{key}_token_id") == token_id
        assert kinds[token_id] == gguf.TokenType.CONTROL


def a_source(*tensors: Tensor, **changes: Any) -> LoadedPreset:
    """Return the bundled vocabulary with weights chosen by the test."""
    sizes = Architecture(
        vocabulary=8192,
        layers=1,
        hidden=48,
        feed_forward=96,
        query_heads=4,
        kv_heads=1,
        head_size=16,
        norm_epsilon=1e-6,
        rope_base=10_000.0,
        dtype="float32",
    )
    read = LoadedPreset(
        preset=presets.bundled(),
        folder=presets.BUNDLED_FOLDER,
        architecture=sizes,
        tensors=tensors,
        pieces=pieces.read(presets.BUNDLED_FOLDER),
        stop_ids=frozenset(),
    )
    return replace(read, **changes)


def a_tensor(values: np.ndarray) -> Tensor:
    return Tensor("model.layers.0.mlp.up_proj.weight", values.shape, lambda: values)


def test_codegemma_carries_its_licence_and_end_of_turn(tmp_path: Path) -> None:
    known = pieces.read(presets.BUNDLED_FOLDER)
    turn = pieces.VocabularyPiece(fim.END_OF_TURN, 0.0, pieces.Kind.CONTROL)
    source = a_source(
        a_tensor(np.ones((4, 32), np.float32)),
        preset=presets.named("code_gemma_7b_en"),
        pieces=replace(known, all=(*known.all[:-1], turn)),
    )
    gguf_file.write(source, "q8_0", tmp_path, lambda done, total: None)
    file = gguf.GGUFReader(tmp_path / "code_gemma_7b_en-Q8_0.gguf")
    assert field(file, "general.license") == "gemma"
    assert field(file, "general.license.link") == presets.GEMMA_TERMS
    assert field(file, "tokenizer.ggml.eot_token_id") == len(known.all) - 1


@pytest.mark.parametrize("dtype", ["q8_0", "q4_0"])
def test_rows_that_no_block_divides_are_float16(tmp_path: Path, dtype: str) -> None:
    values = np.linspace(-1, 1, 4 * 48, dtype=np.float32).reshape(4, 48)
    source = a_source(a_tensor(values))
    gguf_file.write(source, dtype, tmp_path, lambda done, total: None)
    ((found, written),) = arrays(tmp_path / gguf_file.file_name(source, dtype)).values()
    assert found == "F16"
    np.testing.assert_array_equal(written, values.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "kind", "bits"),
    [("float16", "MOSTLY_F16", 16), ("q8_0", "MOSTLY_Q8_0", 8.5), ("q4_0", "MOSTLY_Q4_0", 4.5)],
)
def test_the_file_is_as_large_as_its_type_says(
    exported: Exported, dtype: str, kind: str, bits: float
) -> None:
    path = exported.gguf(f"fim_small-{dtype}")
    assert field(path, "general.file_type") == gguf.LlamaFileType[kind]
    embedding = 8192 * 256  # in q4_0 it has 8.5 bits
    whole = presets.bundled().parameters or 0
    weights = (embedding * max(bits, 8.5) + (whole - embedding) * bits) / 8
    words = path.stat().st_size - weights  # the vocabulary, and norms in float32
    assert 0 < words < 400_000


def test_a_weight_beyond_float16_is_refused(tmp_path: Path) -> None:
    source = a_source(a_tensor(np.full((4, 32), 70_000, np.float32)))
    with pytest.raises(EngineError, match=r"does not fit in float16\. Received: 70000 in model"):
        gguf_file.write(source, "float16", tmp_path, lambda done, total: None)
    gguf_file.write(source, "bfloat16", tmp_path, lambda done, total: None)
