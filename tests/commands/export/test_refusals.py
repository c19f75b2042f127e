"""Presets that no format supports are rejected with a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sentencepiece import sentencepiece_model_pb2

from codegemma_ui import presets
from codegemma_ui.commands.export import pieces
from codegemma_ui.errors import EngineError
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE
from tests.commands.export.exported import Exported


def test_an_architecture_that_is_not_the_first_gemmas(exported: Exported) -> None:
    said = exported.refused["second gemma"]
    assert said.startswith("cannot_export: ")
    for part in (
        "cap on logits",
        "cap on attention",
        "sliding",
        "after attention",
        "after the feed",
    ):
        assert part in said


def test_norms_of_different_epsilons(exported: Exported) -> None:
    assert "norms of different epsilons [1e-06, 1e-05]" in exported.refused["epsilons"]


def test_quantised_weights(exported: Exported) -> None:
    assert exported.refused["int8"].endswith("a preset with weights in float32, int8.")


def test_a_vocabulary_of_another_size(exported: Exported) -> None:
    assert "a piece for each row of the embedding" in exported.refused["vocabulary"]


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("trainer_spec", "model_type", 1, "no BPE"),
        ("trainer_spec", "byte_fallback", False, "no pieces for single bytes"),
        ("trainer_spec", "treat_whitespace_as_suffix", True, "spaces after words"),
        ("normalizer_spec", "precompiled_charsmap", b"rules", "the normaliser identity"),
        ("normalizer_spec", "remove_extra_whitespaces", True, "extra spaces removed"),
        ("normalizer_spec", "escape_whitespaces", False, "spaces kept as spaces"),
        ("normalizer_spec", "add_dummy_prefix", True, "a space put before the text"),
    ],
)
def test_a_vocabulary_that_other_programs_would_read_otherwise(
    tmp_path: Path, part: str, name: str, value: object, said: str
) -> None:
    model: Any = vars(sentencepiece_model_pb2)["ModelProto"]()
    model.ParseFromString((presets.BUNDLED_FOLDER / VOCABULARY_FILE).read_bytes())
    setattr(getattr(model, part), name, value)
    file = tmp_path / VOCABULARY_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match=f"Received: one with {said}"):
        pieces.read(tmp_path)
