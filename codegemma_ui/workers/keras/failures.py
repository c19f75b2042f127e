"""Map exceptions of libraries, while loading and running, to errors a user can act on.

The hint follows from the library's message or from the contents of the preset's folder. If neither explains
the failure, the message quotes the library and the hint points to the log.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

from codegemma_ui.errors import (
    BackendMissing,
    EngineError,
    LoadFailed,
    NotEnoughMemory,
    PlaygroundError,
)
from codegemma_ui.fim.vocabulary import TOKENIZER_MODEL
from codegemma_ui.machine import framework_variables
from codegemma_ui.presets import model_format

_MEMORY_WORDS = (
    "RESOURCE_EXHAUSTED",
    "out of memory",
    "OOM when allocating",
    "bad_alloc",
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory: you tried to allocate",
)
_DISK_WORDS = ("No space left on device", "Disk quota exceeded")
_DENIED_WORDS = ("Permission denied", "Read-only file system", "Operation not permitted")
_CORRUPT_WORDS = (
    "truncated file",
    "file signature not found",
    "unable to open file",
    "unable to synchronously open",
    "can't open file",
    "addr overflow",
    "bad object header",
    "invalid json",
    "expecting value",
)
"""Messages of h5py and json about incomplete files."""

PRESET = (
    "A preset is a KerasHub folder, or one of transformers, with config.json, weights and a SentencePiece "
    "vocabulary."
)

READ_ON = "The log has the rest of the worker's output."


def readable(error: BaseException, doing: str = "run") -> PlaygroundError:
    """Map a library's exception to ours.

    Args:
        error: exception raised.
        doing: "load" or "run": the worker's activity.
    """
    if isinstance(error, PlaygroundError):
        return error
    text = " ".join(str(error).split())
    if _is_memory(error, text):
        return _out_of_memory(text)
    shown = f"{type(error).__name__}: {text[:300]}"
    if isinstance(error, ModuleNotFoundError):
        return BackendMissing(
            f"The environment of this backend lacks a package. {shown}",
            f"Its interpreter is {sys.executable}: install keras-nlp, keras, sentencepiece and the "
            "backend there.",
        )
    hint = _hint(error, text)
    if doing != "load":
        return EngineError(f"The model failed while running. {shown}", hint or "Try again.")
    if isinstance(error, ImportError):
        return LoadFailed(
            f"A library of this backend cannot be imported. {shown}",
            hint or f"Check that the packages of its interpreter are compatible: {sys.executable}.",
            code="backend_broken",
        )
    return LoadFailed(f"The model could not be loaded. {shown}", hint or READ_ON)


def of_preset(error: Exception, folder: Path) -> Exception:
    """Return the error for a folder that KerasHub could not load: ours if the folder explains it.

    Args:
        error: KerasHub's exception.
        folder: folder of the preset.
    """
    text = " ".join(str(error).split())
    if isinstance(error, PlaygroundError | ImportError) or _is_memory(error, text):
        return error
    shown = f"{type(error).__name__}: {text[:300]}"
    if damaged := _damaged_json(folder):
        return _corrupt(f"{damaged} is not valid JSON. {shown}", folder)
    if lacking := _not_a_gemma(folder):
        return LoadFailed(
            f"The preset cannot be loaded as a GemmaCausalLM: {lacking}. {shown}",
            PRESET,
            code="not_a_preset",
        )
    if _hint(error, text):  # such as an unreadable file
        return error
    if any(word in text.lower() for word in _CORRUPT_WORDS):
        return _corrupt(shown, folder)
    return error


def _corrupt(shown: str, folder: Path) -> LoadFailed:
    return LoadFailed(
        f"A file of the preset is damaged or incomplete. {shown}",
        f"If the preset's folder, {folder}, was downloaded, delete it and choose the model again; else copy "
        "the preset there again.",
        code="corrupt_file",
    )


def _damaged_json(folder: Path) -> str | None:
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            return file.name
        except OSError:
            continue
    return None


def _not_a_gemma(folder: Path) -> str | None:
    """Return what a folder lacks to be a Gemma preset, or None if nothing is found missing."""
    try:
        config: Any = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return "there is no config.json"
    except OSError:
        return None
    if (
        model_format.format_of_config(config if isinstance(config, dict) else {}).format
        == "transformers"
    ):
        return _not_a_gemma_of_transformers(folder, config)
    name = config.get("class_name") if isinstance(config, dict) else None
    if name != "GemmaBackbone":
        return f"its config.json is of {name or 'no KerasHub model'}, not of GemmaBackbone"
    if not any(folder.glob("*.weights.h5")):
        return "there are no weights, *.weights.h5"
    if not any(folder.rglob("vocabulary.spm")):
        return "there is no vocabulary.spm"
    return None


def _not_a_gemma_of_transformers(folder: Path, config: dict[str, Any]) -> str | None:
    if config.get("model_type") not in model_format.GEMMA_TYPES:
        return f"its config.json is of {config.get('model_type')}, not of a Gemma"
    if not any(folder.glob("*.safetensors")):
        return "there are no weights, *.safetensors"
    if not (folder / TOKENIZER_MODEL).is_file():
        return f"there is no {TOKENIZER_MODEL}"
    return None


def _hint(error: BaseException, text: str) -> str:
    """Return what to do, judging by the library's message; empty if unknown."""
    if any(word in text for word in _DISK_WORDS):
        return f"Free some space on the disk that it names{_with_file(error)}."
    if any(word in text for word in _DENIED_WORDS):
        return f"Give the user that runs the playground access to what it names{_with_file(error)}."
    if names := framework_variables.named_in(text):
        return framework_variables.correct(names)
    return ""


def _with_file(error: BaseException) -> str:
    named = error.filename if isinstance(error, OSError) else None
    return f", {named}" if named else ""


def _is_memory(error: BaseException, text: str) -> bool:
    if any(word in text for word in _DISK_WORDS):  # tensorflow: RESOURCE_EXHAUSTED too
        return False
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind in ("OutOfMemoryError", "ResourceExhaustedError"):
        return True
    return any(word.lower() in text.lower() for word in _MEMORY_WORDS)


def _out_of_memory(text: str) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"There was not enough memory. {text[:200]}".strip()
    )  # the page's process adds the hint: it knows the alternatives
