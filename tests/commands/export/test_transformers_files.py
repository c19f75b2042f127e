"""The contents of a transformers folder that `test_same_tokens` does not cover."""

from __future__ import annotations

import json

import numpy as np

from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from tests.commands.export.exported import Exported


def test_weights_stay_as_they_are_stored(exported: Exported) -> None:
    import torch
    from safetensors.torch import load_file

    folder = exported.folder / "one_kv_head-stored-transformers"
    exact = load_file(exported.folder / "one_kv_head-transformers" / "model.safetensors")
    stored: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        stored |= load_file(file)
    assert stored.keys() == exact.keys()
    for name, values in stored.items():
        assert values.dtype == torch.bfloat16
        np.testing.assert_array_equal(values.float().numpy(), exact[name].numpy())
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_large_weights_come_in_several_files_with_an_index(exported: Exported) -> None:
    folder = exported.folder / "four_kv_heads-transformers"
    files = {file.name for file in folder.glob("*.safetensors")}
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert len(files) == 2
    assert set(index["weight_map"].values()) == files


def test_the_sentencepiece_vocabulary_comes_along(exported: Exported) -> None:
    folder = exported.folder / "fim_small-transformers"
    vocabulary = presets.BUNDLED_FOLDER / VOCABULARY_FILE
    assert (folder / "tokenizer.model").read_bytes() == vocabulary.read_bytes()


def test_generation_ends_where_the_engine_does(exported: Exported, vocabulary: Vocabulary) -> None:
    folder = exported.folder / "fim_small-transformers"
    generation = json.loads((folder / "generation_config.json").read_text())
    assert set(generation["eos_token_id"]) == vocabulary.stop_ids
