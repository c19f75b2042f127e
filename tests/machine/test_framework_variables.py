"""The framework variables that a worker sets, and those that a failure is attributed to."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from codegemma_ui.machine import framework_variables
from codegemma_ui.machine.framework_variables import RULES, ignored, named_in, rule_of, settle

SETTLED = (
    *("KERAS_HOME", "KERAS_NNX_ENABLED", "KERAS_TORCH_DEVICE", "KERAS_DISTRIBUTION_PROCESS_ID"),
    *("JAX_ENABLE_X64", "JAX_DEFAULT_DTYPE_BITS", "JAX_DISABLE_JIT", "JAX_DEBUG_NANS"),
    *("JAX_DEFAULT_MATMUL_PRECISION", "JAX_NO_SUCH_YET", "JAX_RAISE_PERSISTENT_CACHE_ERRORS"),
    *("TF_USE_LEGACY_KERAS", "TF2_BEHAVIOR", "TF_SET_ONEDNN_FPMATH_MODE"),
    *("TORCHINDUCTOR_USE_FAST_MATH", "TORCHINDUCTOR_FREEZING"),
)
RESPECTED = (
    *("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES"),
    *("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE", "TORCHINDUCTOR_CACHE_DIR"),
    *("XLA_FLAGS", "XLA_PYTHON_CLIENT_PREALLOCATE", "TF_XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "PYTORCH_CUDA_ALLOC_CONF"),
    *("TORCH_COMPILE_DISABLE", "TORCH_LOGS", "JAX_LOG_COMPILES", "NVIDIA_TF32_OVERRIDE"),
)


@pytest.mark.parametrize("name", SETTLED)
def test_what_a_flag_of_ours_decides_is_settled(name: str) -> None:
    environ = {name: "1", "PATH": "/bin"}
    assert ignored(environ).keys() == {name}
    settle(environ, "jax")
    assert environ.get(name) == {"KERAS_HOME": os.devnull}.get(name)
    assert environ["PATH"] == "/bin"


@pytest.mark.parametrize("name", RESPECTED)
def test_what_is_about_the_machine_is_left(name: str) -> None:
    environ = {name: "1"}
    settle(environ, "jax")
    assert environ[name] == "1"
    assert ignored({name: "1"}) == {}


def test_every_rule_has_a_reason_and_no_framework_reads_what_none_names() -> None:
    assert all(rule.why for rule in RULES)
    assert rule_of("HOME") is rule_of("CODEGEMMA_UI_BACKEND") is rule_of("PYTHONPATH") is None


def test_the_backend_is_the_one_that_was_chosen() -> None:
    environ = {"KERAS_BACKEND": "openvino"}
    assert ignored(environ) == {}  # it is where `--backend` comes from
    settle(environ, "torch")
    assert environ["KERAS_BACKEND"] == "torch"


@pytest.mark.parametrize("package", ["keras", "keras_hub"])
def test_each_variable_that_keras_reads_is_decided_on(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    sources = Path(spec.origin).parent.joinpath("src").rglob("*.py")
    texts = [file.read_text("utf-8") for file in sources if not file.stem.endswith("_test")]
    pattern = re.compile(r"environ(?:\.get)?[\[(]\s*[\"'](\w+)")
    read = {name for text in texts for name in pattern.findall(text)}
    assert "KERAS_HOME" in read
    # A progress bar's, and a server's that is not ours.
    read -= {"PYCHARM_HOSTED", "MODEL_IMPL_TYPE"}
    assert {name for name in read if rule_of(name) is None} == set()


def test_a_library_is_heard_when_it_names_a_variable_a_flag_or_a_path() -> None:
    environ = {
        "XLA_FLAGS": "--xla_dump_to=/tmp/x --xla_no_such_flag=1",
        "JAX_PLATFORMS": "cuda",
        "TF_USE_LEGACY_KERAS": "1",
        "HOME": "/root",
    }
    assert named_in("Unknown flag in XLA_FLAGS: --xla_no", environ) == ("XLA_FLAGS",)
    assert named_in("unknown: --xla_no_such_flag", environ) == ("XLA_FLAGS",)
    assert named_in("/tmp/x; Permission denied", environ) == ("XLA_FLAGS",)
    assert named_in("(set JAX_PLATFORMS='')", environ) == ("JAX_PLATFORMS",)
    for silent in ("--xla_no_such_flag_2", "MY_XLA_FLAGS", "/root", "TF_USE_LEGACY_KERAS", ""):
        assert named_in(silent, environ) == ()
    assert framework_variables.correct(("A", "B")).startswith("A and B are set")
