"""Detection of a model's format from names and small files, and the suggested replacement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegemma_ui import presets
from codegemma_ui.errors import UnknownPreset
from codegemma_ui.presets import model_format
from codegemma_ui.presets.model_format import Format, format_of, format_of_config

CARD = ("README.md", ".gitattributes", "LICENSE")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

LISTINGS: list[tuple[Format, tuple[str, ...]]] = [
    ("keras_hub", ("config.json", "model.weights.h5", "tokenizer.json", "task.json")),
    ("keras_hub", ("config.json", "model.weights.json", "model_00000.weights.h5")),
    ("keras_hub", ("config.json", "assets/tokenizer/vocabulary.spm", "model.safetensors")),
    (
        "transformers",
        ("config.json", *SHARDS, "model.safetensors.index.json", "codegemma-2b.gguf", *TOKENIZER),
    ),
    ("transformers", ("config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5")),
    ("adapter", ("adapter_config.json", "adapter_model.safetensors", *TOKENIZER)),
    ("adapter", ("adapter_config.json", "adapter_model.bin")),
    ("safetensors", ("model_index.json", "unet/diffusion_pytorch_model.safetensors")),
    ("gguf", ("codegemma-2b-Q4_K_M.gguf", "config.json")),
    ("pytorch", ("config.json", "pytorch_model-00001-of-00002.bin", *TOKENIZER)),
    ("pytorch", ("codegemma-2b.pt", "tokenizer.model")),
    ("flax", ("config.json", "flax_model.msgpack")),
    ("flax", ("2b/_METADATA", "tokenizer.model")),
    ("tensorflow", ("saved_model.pb", "variables/variables.index")),
    ("tensorflow", ("config.json", "tf_model.h5")),
    ("onnx", ("config.json", "onnx/model.onnx")),
    ("keras", ("classifier.keras", "metadata.json")),
    ("dataset", ("data/train-00000-of-00001.parquet",)),
    ("unknown", ("config.json",)),
    ("unknown", ()),
]


@pytest.mark.parametrize(("expected", "names"), LISTINGS)
def test_a_listing_tells_the_format(expected: Format, names: tuple[str, ...]) -> None:
    seen = format_of([*CARD, *names])
    assert seen.format == expected
    assert seen.sign == "" if expected == "unknown" else seen.sign in names
    assert seen.loadable == (expected in ("keras_hub", "transformers", "unknown"))


def test_a_config_tells_the_format_where_there_are_no_weights() -> None:
    assert format_of_config({"model_type": "gemma"}).format == "transformers"
    assert format_of_config({"architectures": ["GemmaForCausalLM"]}).format == "transformers"
    assert format_of_config({"registered_name": "keras_hub>GemmaBackbone"}).format == "keras_hub"
    assert format_of_config({}).format == "unknown"


def test_the_bundled_preset_is_what_it_should_be() -> None:
    assert model_format.format_at(presets.BUNDLED_FOLDER).format == "keras_hub"
    assert model_format.wrong_at(presets.BUNDLED_FOLDER) is None


# Handles and paths given by a user


def made(folder: Path, *names: str, **files: object) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def refused(name: str) -> UnknownPreset:
    with pytest.raises(UnknownPreset) as caught:
        presets.named(name)
    return caught.value


CODEGEMMA_2B = {
    **{"model_type": "gemma", "vocab_size": 256_000, "hidden_size": 2048},
    **{"num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1},
    **{"head_dim": 256, "intermediate_size": 16_384},
}


def test_a_transformers_folder_of_a_gemma_is_a_preset(tmp_path: Path) -> None:
    folder = made(tmp_path / "codegemma-2b", *SHARDS, "tokenizer.model", config=CODEGEMMA_2B)
    preset = presets.named(str(folder))
    assert preset.local
    assert preset.parameters == presets.named("code_gemma_2b_en").parameters


def test_of_another_architecture_in_transformers_format_that_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "codegemma-2b", *SHARDS, config={"model_type": "llama"})
    error = refused(str(folder))
    assert "KerasHub preset with config.json, model.weights.h5" in error.message
    assert (
        f"Received: {folder} with {SHARDS[0]}, Hugging Face transformers' format of the architecture "
        "llama." in error.message
    )
    assert error.hint.startswith("Choose code_gemma_2b_en: it is CodeGemma 2B as a KerasHub preset")


def test_an_export_of_our_own_names_what_it_was_made_of(tmp_path: Path) -> None:
    export = {"made": {"preset": "bundled", "format": "gguf", "dtype": "float32"}}
    folder = made(tmp_path, "model.gguf", export=export)
    assert refused(str(folder)).hint == "It was exported from bundled: choose that."


def test_of_transformers_format_only_what_is_read_is_wanted() -> None:
    read = [*SHARDS, "config.json", "model.safetensors.index.json", "tokenizer.model"]
    others = [
        "codegemma-2b.gguf",
        "pytorch_model.bin",
        "original/consolidated.safetensors",
        "README.md",
    ]
    assert model_format.wanted([*read, *others]) == read
    assert model_format.wanted(["config.json", "a.gguf"]) == ["config.json", "a.gguf"]


def test_a_file_is_refused_as_one(tmp_path: Path) -> None:
    made(tmp_path, "fine-tuned.gguf")
    error = refused(str(tmp_path / "fine-tuned.gguf"))
    assert "Received: the file fine-tuned.gguf, llama.cpp's format." in error.message


def test_a_folder_of_gguf_files_is_no_preset(tmp_path: Path) -> None:
    made(tmp_path, "model-Q8_0.gguf")
    assert "model-Q8_0.gguf, llama.cpp's format" in refused(str(tmp_path)).message


def test_another_architecture_is_named(tmp_path: Path) -> None:
    config = {"registered_name": "keras_hub>ResNetBackbone", "class_name": "ResNetBackbone"}
    folder = made(tmp_path, "model.weights.h5", config=config)
    assert "a KerasHub preset of the architecture ResNetBackbone" in refused(str(folder)).message


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("kaggle://google/codegemma/pytorch/2b", "code_gemma_2b_en"),
        ("kaggle://google/codegemma/transformers/7b-it/1", "code_gemma_instruct_7b_en"),
        ("kaggle://google/codegemma/flax/1.1-2b", "code_gemma_1.1_2b_en"),
    ],
)
def test_another_framework_on_kaggle_is_refused_without_asking(name: str, same: str) -> None:
    error = refused(name)
    assert f"Received: {name}, for {name.split('/')[4]}." in error.message
    assert f"Choose {same}: " in error.hint


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("hf://google/codegemma-2b", "code_gemma_2b_en"),
        ("hf://google/codegemma-1.1-2b", "code_gemma_1.1_2b_en"),
        ("hf://google/codegemma-7b", "code_gemma_7b_en"),
        ("hf://google/codegemma-7b-it", "code_gemma_instruct_7b_en"),
        ("hf://google/codegemma-1.1-7b-it-GGUF", "code_gemma_1.1_instruct_7b_en"),
        ("/models/CodeGemma-2B", "code_gemma_2b_en"),
    ],
)
def test_the_same_model_is_named(name: str, same: str) -> None:
    assert presets.instead_of(name).startswith(f"Choose {same}: ")


@pytest.mark.parametrize("name", ["hf://google/gemma-2b", "hf://a/codegemma-27b", "hf://a/b"])
def test_no_model_is_named_where_none_is_the_same(name: str) -> None:
    assert "the command `presets`" in presets.instead_of(name)
