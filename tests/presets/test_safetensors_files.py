"""Damaged or missing weights in transformers' format are reported before a framework is imported."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from codegemma_ui.client.client import Choice, EngineClient
from codegemma_ui.errors import LoadFailed
from codegemma_ui.fim.vocabulary import TOKENIZER_MODEL, VOCABULARY_FILE
from codegemma_ui.presets import BUNDLED_FOLDER, safetensors_files
from codegemma_ui.presets.safetensors_files import INDEX, WHOLE
from codegemma_ui.settings import Settings

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
HEADER = {
    "__metadata__": {"format": "pt"},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]},
    "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
}


def weights(header: object = HEADER, more: bytes = bytes(24)) -> bytes:
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a Gemma whose weights are in two files."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma"}))
    shutil.copyfile(BUNDLED_FOLDER / VOCABULARY_FILE, tmp_path / TOKENIZER_MODEL)
    places = {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[1]}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    for name in SHARDS:
        (tmp_path / name).write_bytes(weights())
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(LoadFailed) as caught:
        safetensors_files.check(folder)
    return caught.value.message


def test_whole_weights_pass_and_so_does_any_other_format(folder: Path) -> None:
    safetensors_files.check(folder)
    safetensors_files.check(BUNDLED_FOLDER)
    (folder / INDEX).unlink()
    (folder / WHOLE).write_bytes(weights())
    safetensors_files.check(folder)


def test_what_the_safetensors_library_writes_passes(folder: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    numbers = {"x": np.ones((3, 5), np.float16), "y": np.zeros((0,), np.float32), "z": np.ones(())}
    numpy.save_file(numbers, str(folder / SHARDS[0]), metadata={"format": "np"})
    safetensors_files.check(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its 0 bytes do not begin with a safetensors header"),
        (b"x" * 5000, "its 5,000 bytes do not begin with a safetensors header"),
        (weights()[:40], "its 40 bytes do not begin with a safetensors header"),
        (weights([1]), "do not begin with a safetensors header"),
        (weights({"a": {"data_offsets": [8, 4]}}), "do not begin with a safetensors header"),
        (weights(more=bytes(23)), "bytes, but its header requires"),
        (weights(more=bytes(25)), "bytes, but its header requires"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    ],
)
def test_a_damaged_file_is_named(content: bytes, said: str, folder: Path) -> None:
    (folder / SHARDS[1]).write_bytes(content)
    message = refused(folder)
    assert str(folder / SHARDS[1]) in message
    assert said in message


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / SHARDS[0]).unlink()
    assert f"{folder / SHARDS[0]}, which does not exist" in refused(folder)
    (folder / INDEX).unlink()
    assert f"{folder / WHOLE}, which does not exist" in refused(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_is_named(content: str, folder: Path) -> None:
    (folder / INDEX).write_text(content)
    assert str(folder / INDEX) in refused(folder)


@pytest.mark.usefixtures("every_backend")
def test_no_worker_is_started_for_damaged_weights(folder: Path) -> None:
    (folder / SHARDS[1]).write_bytes(weights()[:-1])

    def command(choice: Choice, folder: Path) -> list[str]:
        raise AssertionError("a worker was to be started")

    client = EngineClient(Settings(preset=str(folder), backend="jax"), command)
    client.start()
    try:
        deadline = time.monotonic() + 10
        while client.status().state != "failed":
            assert time.monotonic() < deadline, client.status()
            time.sleep(0.01)
        error = client.status().error
    finally:
        client.close()
    assert error is not None
    assert error["code"] == "load_failed"
    assert SHARDS[1] in error["message"]
