"""A repository in another format is rejected before any of its weights is requested."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.download import DownloadError, download
from codegemma_ui.fim.vocabulary import TOKENIZER_MODEL, VOCABULARY_FILE, Vocabulary
from codegemma_ui.presets import BUNDLED_FOLDER
from tests.support.hubs import (
    Faults,
    HuggingFaceHub,
    KaggleHub,
    isolate_this_process,
    isolated_environment,
)
from tests.support.hubs.fetching import run

HANDLE = "kaggle://somebody/model/keras/variation/1"
GEMMA = {"registered_name": "keras_hub>GemmaBackbone"}


def made(folder: Path, *names: str, config: object = None) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 200_000)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


TRANSFORMERS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "a.gguf")


def fetched(hub: HuggingFaceHub | KaggleHub) -> set[str]:
    """Return the files of which at least one byte was sent."""
    names = {request.path.rpartition("/")[2] for request in hub.file_requests()}
    return names & {Path(name).name for name in hub.files()}


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleHub]:
    """Serve a loopback Kaggle with one model, whose folder the test fills."""
    (tmp_path / "offered").mkdir()
    with KaggleHub(tmp_path / "offered", HANDLE) as hub:
        isolate_this_process(tmp_path, monkeypatch, hub)
        yield hub


def refused(handle: str) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        download(handle, lambda *_: None)
    return caught.value


# Hugging Face, as the command does it


def test_of_googles_own_codegemma_what_is_read_is_fetched(tmp_path: Path) -> None:
    preset = made(tmp_path / "preset", *TRANSFORMERS, config={"model_type": "gemma"})
    (preset / TRANSFORMERS[0]).write_bytes(b"y" * 200_000)  # one of two is downloaded
    shutil.copyfile(BUNDLED_FOLDER / VOCABULARY_FILE, preset / TOKENIZER_MODEL)
    with HuggingFaceHub(preset, "hf://google/codegemma-2b") as hub:
        last = run(hub.handle, isolated_environment(tmp_path, hub)).last
        assert last["event"] == "downloaded"
        assert fetched(hub) == {"config.json", "tokenizer.model", *TRANSFORMERS[:2]}
        assert Vocabulary(Path(last["path"])).size > 256


def test_another_architecture_in_transformers_format_costs_its_config_alone(tmp_path: Path) -> None:
    preset = made(tmp_path / "preset", *TRANSFORMERS, config={"model_type": "llama"})
    shutil.copyfile(BUNDLED_FOLDER / VOCABULARY_FILE, preset / TOKENIZER_MODEL)
    with HuggingFaceHub(preset, "hf://somebody/llama") as hub:
        error = run(hub.handle, isolated_environment(tmp_path, hub)).last
        assert error["code"] == "other_format"
        assert "transformers' format of the architecture llama." in error["message"]
        assert fetched(hub) == {"config.json"}


def test_without_a_sentencepiece_vocabulary_the_listing_tells(tmp_path: Path) -> None:
    preset = made(tmp_path / "preset", *TRANSFORMERS, config={"model_type": "gemma"})
    with HuggingFaceHub(preset, "hf://google/codegemma-2b") as hub:
        error = run(hub.handle, isolated_environment(tmp_path, hub)).last
        assert error["code"] == "other_format"
        assert "hf://google/codegemma-2b is not a KerasHub preset" in error["message"]
        assert (
            f"Received: {TRANSFORMERS[0]}, Hugging Face transformers' format without tokenizer.model."
            in error["message"]
        )
        assert error["hint"].startswith("Choose code_gemma_2b_en: it is CodeGemma 2B")
        assert fetched(hub) == set()
        assert not any("/resolve/" in request.path for request in hub.requests)


def test_a_keras_hub_repository_of_another_task_costs_its_config_alone(tmp_path: Path) -> None:
    config = {"registered_name": "keras_hub>BertBackbone"}
    preset = made(tmp_path / "preset", "model.weights.h5", "task.json", config=config)
    with HuggingFaceHub(preset, "hf://keras/bert") as hub:
        error = run(hub.handle, isolated_environment(tmp_path, hub)).last
        assert error["code"] == "other_format"
        assert "Received: a KerasHub preset of the architecture BertBackbone." in error["message"]
        assert fetched(hub) == {"config.json"}


def test_a_dataset_is_named_as_one(tmp_path: Path) -> None:
    preset = made(tmp_path / "data", "data/train.parquet")
    with HuggingFaceHub(preset, "hf://somebody/code", dataset=True) as hub:
        error = run(hub.handle, isolated_environment(tmp_path, hub)).last
        assert error["code"] == "other_format"
        assert "Received: a dataset." in error["message"]
        assert fetched(hub) == set()


def test_in_a_cache_out_of_reach_the_folder_is_looked_at(tmp_path: Path) -> None:
    config = {"registered_name": "keras_hub>GemmaBackbone"}
    preset = made(tmp_path / "preset", "model.weights.h5", config=config)
    with HuggingFaceHub(preset, "hf://somebody/model") as hub:
        environment = isolated_environment(tmp_path, hub)
        folder = Path(run(hub.handle, environment).last["path"])
        (folder / "config.json").unlink()
        (folder / "config.json").write_text('{"registered_name": "keras_hub>BertBackbone"}')
        hub.stop()
        assert "BertBackbone" in run(hub.handle, environment).last["message"]


# Kaggle


def test_a_checkpoint_of_another_library_is_told_from_its_listing(offered: KaggleHub) -> None:
    made(offered.preset, "model.ckpt", config={"vocab_size": 256_000})
    error = refused(HANDLE)
    assert error.code == "other_format"
    assert "Received: model.ckpt, a PyTorch checkpoint." in error.message
    assert fetched(offered) == set()


def test_a_gemma_without_fim_tokens_costs_its_vocabulary_alone(
    offered: KaggleHub, tmp_path: Path
) -> None:
    import sentencepiece

    made(offered.preset, "model.weights.h5", VOCABULARY_FILE.as_posix(), config=GEMMA)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["def f(x):", "    return x", "import sys"] * 100),
        model_prefix=str(tmp_path / "plain"),
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    shutil.copy(tmp_path / "plain.model", offered.preset / VOCABULARY_FILE)
    error = refused(HANDLE)
    assert error.code == "no_fim_tokens"
    assert "<|fim_prefix|> as one token. Received: [" in error.message
    assert fetched(offered) == {"config.json", "vocabulary.spm"}


def test_without_a_listing_the_folder_is_looked_at(offered: KaggleHub) -> None:
    offered.faults = Faults(listing_fails=True)
    made(offered.preset, *TRANSFORMERS, config={"model_type": "gemma"})
    error = refused(HANDLE.removesuffix("/1"))
    assert error.code == "other_format"
    assert fetched(offered)  # it could not be known earlier


def test_a_preset_of_the_right_kind_comes_whole(offered: KaggleHub) -> None:
    shutil.copytree(BUNDLED_FOLDER, offered.preset, dirs_exist_ok=True)
    folder = download(HANDLE, lambda *_: None)
    assert {path.name for path in folder.rglob("*.h5")} == {
        path.name for path in BUNDLED_FOLDER.rglob("*.h5")
    }
    weights = [one for one in offered.file_requests() if one.path.endswith(".h5")]
    assert len(weights) == len(list(BUNDLED_FOLDER.rglob("*.h5")))  # each was requested once


# Invalid handles


def test_another_framework_and_a_file_are_refused_without_the_network(tmp_path: Path) -> None:
    error = refused("kaggle://google/codegemma/pytorch/2b")
    assert error.code == "bad_handle"
    assert "Received: kaggle://google/codegemma/pytorch/2b, for pytorch." in error.message
    assert "code_gemma_2b_en" in error.hint
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert (
        "Received: a file, model.gguf, llama.cpp's format."
        in refused(str(tmp_path / "model.gguf")).message
    )
    made(tmp_path / "export", "model.safetensors", config={"model_type": "gemma"})
    assert refused(str(tmp_path / "export")).code == "other_format"
