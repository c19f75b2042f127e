"""Model presets: the table, and the bundled preset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegemma_ui import presets
from codegemma_ui.errors import UnknownPreset


def test_the_dropdowns_order() -> None:
    assert [preset.name for preset in presets.offered()] == [
        "bundled",
        "code_gemma_2b_en",
        "code_gemma_1.1_2b_en",
        "code_gemma_7b_en",
        "code_gemma_instruct_7b_en",
        "code_gemma_1.1_instruct_7b_en",
    ]


def test_the_bundled_preset_says_what_it_was_trained_for() -> None:
    preset = presets.bundled()
    assert preset.context_length == 1024
    assert preset.layouts == ("psm", "spm")
    assert preset.parameters == 6_032_640
    assert "CodeGemma" not in preset.label.replace("not CodeGemma", "")


def test_shards_stay_under_what_a_space_takes() -> None:
    folders = [path for path in presets.BUNDLED_FOLDER.parent.iterdir() if path.is_dir()]
    assert folders == [presets.BUNDLED_FOLDER]
    for file in presets.BUNDLED_FOLDER.rglob("*"):
        assert file.stat().st_size < 9_000_000, file


def test_the_operator_may_name_more(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "fim.json").write_text(json.dumps({"context_length": 1000, "layouts": ["spm"]}))
    offered = presets.offered("hf://owner/model", str(tmp_path), "bundled")
    assert [preset.name for preset in offered[6:]] == ["hf://owner/model", str(tmp_path)]
    assert offered[-1].context_length == 1000
    assert offered[-1].layouts == ("spm",)
    assert offered[-1].local


def test_memory_is_estimated_from_the_table() -> None:
    two, seven = presets.named("code_gemma_2b_en"), presets.named("code_gemma_7b_en")
    assert two.memory_bytes("bfloat16", "bfloat16") == pytest.approx(5.7e9, rel=0.02)
    assert two.memory_bytes("float32", "float32") == pytest.approx(11.4e9, rel=0.02)
    assert seven.memory_bytes("bfloat16", "bfloat16") == pytest.approx(22.9e9, rel=0.02)


KERAS = {"config": {"num_layers": 28, "num_key_value_heads": 16, "head_dim": 256}}
TRANSFORMERS = {"num_hidden_layers": 28, "num_key_value_heads": 16, "head_dim": 256}


@pytest.mark.parametrize("config", [KERAS, TRANSFORMERS | {"model_type": "gemma"}])
def test_a_folder_tells_its_cache_as_the_table_does(
    tmp_path: Path, config: dict[str, object]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.model").touch()
    told = presets.named(str(tmp_path)).cache_bytes("float32")
    assert told == presets.named("code_gemma_7b_en").cache_bytes("float32") == 7_516_192_768


def test_a_folder_that_tells_nothing_counts_no_cache(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"config": {"num_layers": 2}}')
    assert presets.named(str(tmp_path)).cache_bytes("float32") == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt",
        "../etc",
        "/nonexistent",
        "s3://bucket/model",
        "hf://x",
        "hf://a/b/c",
        "hf://owner/a--b",
        "kaggle://keras/codegemma",
    ],
)
def test_an_unknown_preset_is_refused(name: str) -> None:
    with pytest.raises(UnknownPreset, match="Received"):
        presets.named(name)
