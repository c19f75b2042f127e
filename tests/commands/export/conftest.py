"""Exports of three presets, made once, and the results of the engine, llama.cpp and transformers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codegemma_ui.fim.vocabulary import Vocabulary
from tests.commands.export.exported import Exported
from tests.support.probes import probe

from . import cases


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exports")
    report = probe("tests.commands.export.keras_probe", folder)
    return Exported(folder, {name: report[name] for name in cases.PRESETS}, report["refused"])


@pytest.fixture(scope="session")
def llama_cpp(
    exported: Exported, vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Map the name of an export to llama.cpp's `answers` to the prompts, and `ids` of texts, then of
    prompts."""
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
