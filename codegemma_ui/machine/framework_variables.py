"""Environment variables of Keras, jax, tensorflow and torch, and which of them a worker overrides. Pure.

A variable is overridden if one of our own flags decides the same thing (`--backend`, `--dtype`,
`--torch-device`), or if the engine cannot run with it. It is respected if it concerns the machine rather than
the model: devices, threads, memory, caches, logs. The first matching rule applies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Treatment of some variables in a worker.

    Attributes:
        names: a regular expression for whole names.
        settled: removed, or set by the worker itself; otherwise left as the operator set it.
        why: the reason, for display.
    """

    names: str
    settled: bool
    why: str


RULES = (
    # Keras (keras/src/backend/config.py, keras/src/backend/torch/core.py)
    Rule("KERAS_BACKEND", True, "--backend decides"),
    Rule("KERAS_TORCH_DEVICE", True, "--torch-device decides"),
    Rule("KERAS_HOME", True, "its keras.json has a precision, and --dtype decides"),
    Rule("KERAS_NNX_ENABLED", True, "the engine does not support flax's layers"),
    Rule("KERAS_DISTRIBUTION_.*", True, "one worker is one process; --model-parallel decides"),
    Rule("KERAS_MAX_.*", False, "it concerns training"),
    Rule("KERAS_.*", True, "the engine needs Keras's defaults"),
    # jax (jax/_src/config.py, jax/_src/xla_bridge.py)
    Rule(
        "JAX_(PLATFORMS|PLATFORM_NAME|(CUDA|ROCM|ONEAPI)_VISIBLE_DEVICES|NUM_CPU_DEVICES"
        "|CPU_.*|LOCAL_DEVICE_IDS|PJRT_CLIENT_CREATE_OPTIONS)",
        False,
        "it selects devices",
    ),
    Rule(
        "JAX_(COMPILATION_CACHE_.*|ENABLE_COMPILATION_CACHE|PERSISTENT_CACHE_.*)",
        False,
        "it selects where compiled programs are kept",
    ),
    Rule(
        "JAX_(LOGGING_LEVEL|LOG_.*|DEBUG_LOG_MODULES|EXPLAIN_CACHE_MISSES|TRACEBACK_.*"
        "|INCLUDE_FULL_TRACEBACKS_IN_LOCATIONS|CAPTURED_CONSTANTS_.*|DUMP_.*)",
        False,
        "it concerns logging",
    ),
    Rule(
        "JAX_(ENABLE_X64|EXPLICIT_X64_DTYPES|DEFAULT_DTYPE_BITS|DEFAULT_MATMUL_PRECISION"
        "|NUMPY_DTYPE_PROMOTION|ALLOW_F16_REDUCTIONS)",
        True,
        "--dtype decides",
    ),
    Rule("JAX_RAISE_PERSISTENT_CACHE_ERRORS", True, "a cache never decides whether a model loads"),
    Rule("JAX_.*", True, "the engine needs jax's defaults"),
    # tensorflow (tensorflow/__init__.py, tensorflow/python/util/lazy_loader.py, the C++ libraries)
    Rule("TF_USE_LEGACY_KERAS", True, "the engine runs on Keras 3"),
    Rule(
        "TF2_BEHAVIOR|TF_ENABLE_(CONTROL_FLOW|COND|WHILE|TENSOR_ARRAY|RESOURCE_VARIABLES).*",
        True,
        "the engine runs on tensorflow 2",
    ),
    Rule("TF_(FUNCTION_JIT_COMPILE_DEFAULT|JIT_COMPILE_REWRITE)", True, "the engine decides"),
    Rule("TF_DISABLE_JIT_KERNELS", True, "the engine's programs are compiled"),
    Rule(
        "TF_(SET_ONEDNN_FPMATH_MODE|FP16_.*|BF16_.*|ENABLE_AUTO_MIXED_PRECISION.*"
        "|AUTO_MIXED_PRECISION_.*)",
        True,
        "--dtype decides",
    ),
    Rule("TF_FORCE_GPU_ALLOW_GROWTH", True, "a card's memory must be free for the next model"),
    Rule("TF_.*", False, "it concerns devices, threads, memory or logging"),
    # torch (torch/_inductor/config.py, torch/_dynamo/config.py, libtorch_cpu)
    Rule(
        "TORCHINDUCTOR_(USE_FAST_MATH|CPP_ENABLE_UNSAFE_MATH_OPT_FLAG|EMULATE_PRECISION_CASTS)"
        "|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        True,
        "--dtype decides",
    ),
    Rule(
        "TORCHINDUCTOR_(FREEZING|SAVE_ARGS|FX_WRAPPER|CPP_WRAPPER|AUTOTUNE_AT_COMPILE_TIME)",
        True,
        "the engine gives inductor its weights as arguments",
    ),
    Rule("TORCHINDUCTOR_.*", False, "it concerns how and where inductor compiles"),
    Rule("TORCHDYNAMO_.*|TORCH_COMPILE_.*", False, "the engine does not use torch.compile"),
    Rule("TORCH.*|PYTORCH_.*", False, "it concerns devices, threads, memory or logging"),
    # common to all
    Rule("XLA_.*", False, "it concerns devices, memory or XLA's compilation"),
    Rule(
        "(CUDA|NVIDIA|NCCL|CUDNN|CUBLAS|ROCR|HIP|HSA|TPU|PJRT|TRITON)_.*",
        False,
        "it selects devices",
    ),
    Rule(
        "(OMP|GOMP|KMP|MKL|OPENBLAS|NUMEXPR|DNNL|ONEDNN|ATEN|THP|NPY)_.*",
        False,
        "it concerns threads and memory",
    ),
    Rule("HDF5_.*|PROTOCOL_BUFFERS_.*|ABSL_.*|GRPC_.*", False, "it belongs to a library"),
)


def rule_of(name: str) -> Rule | None:
    """Return the rule for a variable, or None if no framework reads it."""
    return next((rule for rule in RULES if re.fullmatch(rule.names, name)), None)


def ignored(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that are set but have no effect in a worker, each with the reason."""
    found = {name: rule_of(name) for name in sorted(environ)}
    # KERAS_BACKEND is the default of `--backend` after its own variable.
    return {
        name: rule.why
        for name, rule in found.items()
        if rule is not None and rule.settled and name != "KERAS_BACKEND"
    }


def settle(environ: MutableMapping[str, str], backend: str) -> None:
    """Set these variables as the engine needs, before a framework is imported.

    Args:
        environ: environment of this process.
        backend: Keras backend.
    """
    for name in ignored(environ):
        del environ[name]
    environ["KERAS_BACKEND"] = backend
    # Not a folder: Keras finds no keras.json there, whose floatx would change the layers' precision and whose
    # backend may conflict, and writes none (Keras 3.15 creates ~/.keras at import).
    environ["KERAS_HOME"] = os.devnull
    # Do not reserve a whole GPU, or a switch would fail. jax reserves 75% of it by default.
    environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def named_in(text: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the variables that are set, respected by workers, and mentioned in a library's message.

    A library names the variable itself, or a flag or a path in its value.
    """
    found = []
    for name, value in sorted(environ.items()):
        rule = rule_of(name)
        if rule is None or rule.settled:
            continue
        parts = [part for word in value.split() for part in word.split("=")]
        mentions = [
            name,
            *(one for one in parts if one.startswith("--") or (len(one) > 1 and "/" in one)),
        ]
        if any(re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) for one in mentions):
            found.append(name)
    return tuple(found)


def correct(names: tuple[str, ...]) -> str:
    """Return the hint for a library message that mentions these variables."""
    verb = "is" if len(names) == 1 else "are"
    return f"{' and '.join(names)} {verb} set in the environment: correct or unset what is named."
