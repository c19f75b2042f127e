"""Exports of three presets, made once, and what the engine, llama.cpp and transformers make of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui.fim.vocabulary import Vocabulary
from tests.support.probes import probe

from . import cases

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Exported:
    """What `keras_probe` left and said.

    Attributes:
        folder: holds NAME (a preset), NAME-gguf, NAME-transformers and NAME.npz.
        engine: name -> for each prompt the engine's `tokens` and their `leads`.
        refused: what was said of presets that cannot be exported.
    """

    folder: Path
    engine: dict[str, list[dict[str, Any]]]
    refused: dict[str, str]

    def gguf(self, name: str) -> Path:
        """The one GGUF file of an export."""
        (file,) = (self.folder / f"{name}-gguf").glob("*.gguf")
        return file


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exports")
    report = probe("tests.commands.export.keras_probe", folder)
    return Exported(folder, {name: report[name] for name in cases.PRESETS}, report["refused"])


@pytest.fixture(scope="session")
def llama_cpp(
    exported: Exported, vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Name of an export -> llama.cpp's `answers` to the prompts and `ids` of texts, then of prompts."""
    prompts = cases.prompts(vocabulary)
    texts = [(text, False) for text in cases.TEXTS] + [(prompt.text, True) for prompt in prompts]
    names = [*cases.PRESETS, *(f"fim_small-{dtype}" for dtype in cases.NARROWER)]
    requests = [
        {
            "file": str(exported.gguf(name)),
            "prompts": [prompt.token_ids for prompt in prompts],
            "texts": texts,
        }
        for name in names
    ]
    file = tmp_path_factory.mktemp("llama-cpp") / "requests.json"
    file.write_text(json.dumps(requests))
    return dict(zip(names, probe("tests.commands.export.llama_cpp_probe", file), strict=True))
