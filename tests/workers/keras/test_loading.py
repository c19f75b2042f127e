"""Presets on disk to models: precision, KerasHub's own tables, and invalid files.

These tests run in this process on jax; every backend uses the same functions.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import presets
from codegemma_ui.commands.export import command
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.workers.keras import framework, loading, precision
from codegemma_ui.workers.keras.decode import Decoder
from codegemma_ui.workers.keras.failures import readable
from codegemma_ui.workers.keras.framework import CPU, Device
from codegemma_ui.workers.keras.precision import Precision
from codegemma_ui.workers.keras.sampling import Sampling
from tests.support.hubs import HuggingFaceHub, isolated_environment
from tests.support.hubs.fetching import run


@pytest.fixture(scope="module", autouse=True)
def jax_process() -> Iterator[None]:
    """Configure this process as a worker, for these tests only."""
    with pytest.MonkeyPatch.context() as process:
        for name in ("tensorflow", "tensorflow_text"):
            process.setitem(sys.modules, name, None)  # so that it is restored at the end
        process.setattr("warnings.showwarning", warnings.showwarning)
        before = dict(os.environ)
        framework.before_import("jax")
        yield
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


OLD_CARD = Device("an older card", accelerated=True, bfloat16=False)
NEW_CARD = Device("a newer card", accelerated=True, bfloat16=True)


@pytest.fixture(scope="module")
def keras_nlp() -> Any:
    return importlib.import_module("keras_nlp")


@pytest.fixture(scope="module")
def model(keras_nlp: Any) -> Any:
    return keras_nlp.models.GemmaCausalLM.from_preset(str(presets.BUNDLED_FOLDER), dtype="float32")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(presets.BUNDLED_FOLDER, tmp_path / "preset"))


def test_auto_precision_follows_the_device() -> None:
    for device, dtype in ((CPU, "float32"), (NEW_CARD, "bfloat16"), (OLD_CARD, "float16")):
        loaded = loading.load(presets.BUNDLED_FOLDER, "jax", "auto", device)
        assert loaded.precision == Precision(dtype, dtype)
        assert loaded.steps.allocate(256)[0][0].dtype == dtype
        assert loaded.steps.weight_bytes >= loaded.parameters * (4 if dtype == "float32" else 2)


def test_a_cpu_computes_in_float32_whatever_it_keeps() -> None:
    for dtype in ("bfloat16", "float16", "int8", "int4"):
        assert precision.choose(dtype, CPU, 0) == Precision(dtype, "float32")
    assert precision.choose("int8", NEW_CARD, 0) == Precision("int8", "bfloat16")
    assert precision.choose("int8", OLD_CARD, 0) == Precision("int8", "float16")


def test_auto_is_half_width_for_a_large_model_on_a_cpu() -> None:
    for parameters, dtype in ((270_000_000, "float32"), (2_506_172_416, "bfloat16")):
        assert precision.choose("auto", CPU, parameters) == Precision(dtype, "float32")


def test_float16_that_overflows_falls_back_to_float32(model: Any, tmp_path: Path) -> None:
    weights = [weight.copy() for weight in model.get_weights()]
    try:
        model.set_weights([weight * 300 for weight in weights])
        model.save_to_preset(str(tmp_path / "loud"))
    finally:
        model.set_weights(weights)
    for dtype, comes_to in (("auto", "float32"), ("float16", "float16")):  # the latter as requested
        loaded = loading.load(tmp_path / "loud", "jax", dtype, OLD_CARD)
        assert loaded.precision.weights == comes_to


def test_token_ids_equal_kerashubs(model: Any, vocabulary: Vocabulary) -> None:
    tokenizer = model.preprocessor.tokenizer
    texts = ["", "def f(a, b):\n    return a\n", "\t한글 😀\r\n", "  x  ", "a b", "\n\n\n\n"]
    texts += [path.read_text() for path in sorted(Path(loading.__file__).parent.glob("*.py"))]
    for text in texts:
        assert vocabulary.encode(text) == list(map(int, tokenizer(text)))
        prompt = vocabulary.prompt(text, text[::-1], 512)
        assert list(prompt.token_ids) == [
            tokenizer.start_token_id,
            *map(int, tokenizer(prompt.text)),
        ]
    # The one character that SentencePiece normalizes to another: here it is encoded as bytes.
    block = "a\u2581b"
    assert list(map(int, tokenizer(block))) == vocabulary.encode("a b") != vocabulary.encode(block)
    assert tokenizer.detokenize(vocabulary.encode(block)) == block


def test_the_table_is_kerashubs(keras_nlp: Any) -> None:
    theirs = keras_nlp.models.GemmaCausalLM.presets
    for preset in presets.CODEGEMMA:
        assert preset.parameters == theirs[preset.name]["metadata"]["params"]
        assert preset.handle == theirs[preset.name]["kaggle_handle"]


def test_summary_is_the_models_own(model: Any) -> None:
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=80)
    loaded = loading.load(presets.BUNDLED_FOLDER, "jax", "float32", CPU)
    assert loaded.summary == "\n".join(lines)
    assert f"{presets.bundled().parameters:,}" in loaded.summary


def test_the_share_that_has_been_read_is_reported() -> None:
    shares: list[float] = []
    loading.load(presets.BUNDLED_FOLDER, "jax", "float32", CPU, report=shares.append)
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == 1


def test_a_truncated_shard_is_named_as_damaged(copied: Path) -> None:
    shard = copied / "model_00001.weights.h5"
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with pytest.raises(Exception) as caught:
        loading.load(copied, "jax", "float32", CPU)
    error = readable(caught.value, "load")
    assert error.code == "corrupt_file"
    assert "delete it" in error.hint


@pytest.mark.parametrize("file", ["config.json", "task.json"])
def test_a_damaged_config_is_readable(copied: Path, file: str) -> None:
    (copied / file).write_text("{")
    with pytest.raises(Exception) as caught:
        loading.load(copied, "jax", "float32", CPU)
    assert readable(caught.value, "load").code in ("corrupt_file", "load_failed")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5368709120 bytes"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
    ],
)
def test_every_backends_out_of_memory_is_one_error(error: Exception) -> None:
    told = readable(error)
    assert told.code == "not_enough_memory"
    assert told.message.startswith("There was not enough memory.")
    assert told.hint == ""  # the client adds the hint, which depends on the current settings


def test_a_missing_package_is_named_with_its_interpreter() -> None:
    told = readable(ModuleNotFoundError("No module named 'keras_nlp'"), "load")
    assert told.code == "backend_missing"
    assert "keras_nlp" in told.message
    assert "python" in told.hint


# transformers' format


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundled model as `export --format transformers --dtype bfloat16` writes it."""
    folder = tmp_path_factory.mktemp("exported") / "transformers"
    command.export(
        argparse.Namespace(
            **{"preset": "bundled", "backend": "jax", "format": "transformers"},
            **{"dtype": "bfloat16", "out": str(folder)},
        )
    )
    return folder


def choices(folder: Path) -> list[tuple[int, float]]:
    """Return greedy tokens after a prompt, in float32."""
    vocabulary = Vocabulary(folder)
    prompt = vocabulary.prompt("def mean(values):\n    return sum(values) / ", "\n", 128).token_ids
    decoder = Decoder(loading.load(folder, "jax", "float32", CPU).steps, context_length=256)
    return [(one.id, one.logprob) for one in decoder.decode(prompt, 128, Sampling())][:20]


def test_transformers_format_loads_as_the_keras_preset_does(
    exported: Path, keras_nlp: Any, tmp_path: Path
) -> None:
    rounded = keras_nlp.models.GemmaCausalLM.from_preset(
        str(presets.BUNDLED_FOLDER), dtype="bfloat16"
    )
    rounded.save_to_preset(str(tmp_path / "keras"))
    theirs, ours = presets.named(str(exported)), presets.bundled()
    assert (theirs.parameters, theirs.context_length) == (ours.parameters, ours.context_length)
    assert choices(exported) == choices(tmp_path / "keras")


def test_it_loads_from_a_hub_as_from_a_folder(exported: Path, tmp_path: Path) -> None:
    with HuggingFaceHub(exported, "hf://somebody/codegemma") as hub:
        last = run(hub.handle, isolated_environment(tmp_path, hub)).last
    folder = Path(last["path"])
    assert choices(folder) == choices(exported)


def test_what_kerashubs_converter_passes_over_is_read(exported: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(exported, tmp_path / "other"))
    config = json.loads((other / "config.json").read_bytes())
    config |= {"rms_norm_eps": 1e-5, "rope_theta": 20_000.0}
    config.pop("rope_parameters", None)
    (other / "config.json").write_text(json.dumps(config))
    shape = loading.load(other, "jax", "float32", CPU).steps.shape  # type: ignore[attr-defined]
    assert (shape.epsilon, shape.max_wavelength) == (1e-5, 20_000.0)
    assert choices(other) != choices(exported)
