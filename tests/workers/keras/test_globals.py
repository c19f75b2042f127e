"""Variables and files that configure Keras, jax, tensorflow and torch do not affect the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codegemma_ui.errors import LoadFailed
from codegemma_ui.workers.keras import framework

ROOT = Path(__file__).parents[3]

KERAS_JSON = {
    "floatx": "float16",
    "epsilon": 0.5,
    "backend": "openvino",
    "image_data_format": "channels_first",
    "nnx_enabled": True,
}


def report_of(home: Path, backend: str, look: str, **environ: str) -> dict[str, Any]:
    """Return the report of a process that runs with many such settings."""
    (home / ".keras").mkdir(exist_ok=True)
    (home / ".keras" / "keras.json").write_text(json.dumps(KERAS_JSON))
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN.format(backend=backend)}\n{look}\n{END}"],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert report.pop("keras") == {
        "backend": backend,
        "floatx": "float32",
        "dtype": "float32",
        "epsilon": 1e-7,
        "image_data_format": "channels_last",
        "nnx": False,
    }
    # The file belongs to the user, and nothing is written next to it.
    assert json.loads((home / ".keras" / "keras.json").read_text()) == KERAS_JSON
    assert [one.name for one in (home / ".keras").iterdir()] == ["keras.json"]
    return report


BEGIN = """
import json, os
from codegemma_ui.workers.keras import framework
framework.before_import({backend!r})
import keras
"""
END = """
print()
print(json.dumps({**report, "keras": {
    "backend": keras.config.backend(),
    "floatx": keras.config.floatx(),
    "dtype": keras.layers.Dense(1).dtype_policy.name,
    "epsilon": keras.config.epsilon(),
    "image_data_format": keras.config.image_data_format(),
    "nnx": keras.config.is_nnx_enabled(),
}}))
"""


def test_on_jax(tmp_path: Path) -> None:
    look = """
import jax
report = {
    "x64": jax.config.jax_enable_x64,
    "jit": not jax.config.jax_disable_jit,
    "nans": jax.config.jax_debug_nans,
    "precision": jax.config.jax_default_matmul_precision,
    "promotion": str(jax.config.jax_numpy_dtype_promotion),
    "devices": len(jax.devices()),
}
"""
    report = report_of(
        tmp_path,
        "jax",
        look,
        KERAS_HOME=str(tmp_path / ".keras"),
        KERAS_BACKEND="openvino",
        KERAS_NNX_ENABLED="1",
        JAX_ENABLE_X64="1",
        JAX_DISABLE_JIT="1",
        JAX_DEBUG_NANS="1",
        JAX_DEFAULT_MATMUL_PRECISION="BF16_BF16_F32",
        JAX_NUMPY_DTYPE_PROMOTION="strict",
        JAX_NUM_CPU_DEVICES="2",
    )
    assert report == {
        "x64": False,
        "jit": True,
        "nans": False,
        "precision": None,
        "promotion": "standard",
        "devices": 2,  # the operator's choice
    }


def test_on_tensorflow_where_legacy_keras_was_asked_for(tmp_path: Path) -> None:
    look = """
import tensorflow as tf
report = {
    "eager": tf.executing_eagerly(),
    "theirs": tf.keras.__version__,  # a RecursionError with TF_USE_LEGACY_KERAS
    "version": keras.__version__,
}
"""
    report = report_of(tmp_path, "tensorflow", look, TF_USE_LEGACY_KERAS="1", TF2_BEHAVIOR="0")
    assert report["eager"] is True
    assert report["theirs"] == report["version"]


class TestTorchsDevice:
    """A fake torch, since no machine has every device."""

    @staticmethod
    def torch(monkeypatch: pytest.MonkeyPatch, *there: str) -> None:
        def has(name: str) -> SimpleNamespace:
            return SimpleNamespace(is_available=lambda: name in there)

        fake = SimpleNamespace(
            cuda=has("cuda"), backends=SimpleNamespace(mps=has("mps")), __version__="2.13"
        )
        monkeypatch.setitem(sys.modules, "torch", fake)  # type: ignore[misc]

    @pytest.mark.parametrize(
        ("there", "asked", "chosen"),
        [
            (("mps",), "auto", "cpu"),  # a Mac: Keras uses mps there, which is untested
            (("cuda",), "auto", "cuda"),
            ((), "auto", "cpu"),
            (("cuda",), "cpu", "cpu"),
            (("mps",), "mps", "mps"),
            (("cuda", "mps"), "cuda", "cuda"),
        ],
    )
    def test_is_what_was_asked_for(
        self,
        there: tuple[str, ...],
        asked: str,
        chosen: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.torch(monkeypatch, *there)
        assert framework.torch_device_name(asked) == chosen

    @pytest.mark.parametrize("asked", ["cuda", "mps"])
    def test_that_is_not_there_is_refused_in_words(
        self, asked: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.torch(monkeypatch)
        with pytest.raises(LoadFailed) as caught:
            framework.torch_device_name(asked)
        assert f"--torch-device {asked} needs" in caught.value.message
        assert "Received: torch 2.13 with cpu" in caught.value.message
        assert "--torch-device auto" in caught.value.hint

    def test_is_the_one_that_the_engine_tells_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.torch(monkeypatch, "mps", "cuda")
        monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
        assert framework.device("torch") == framework.CPU
        monkeypatch.setenv("KERAS_TORCH_DEVICE", "mps")
        assert framework.device("torch").accelerated
