"""What libraries raise while loading and running, as errors that a person can act on."""

from __future__ import annotations

import sys

from codegemma_ui.errors import (
    BackendMissing,
    EngineError,
    LoadFailed,
    NotEnoughMemory,
    PlaygroundError,
)

_MEMORY_WORDS = ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating", "bad_alloc")
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


def readable(error: BaseException, doing: str = "run") -> PlaygroundError:
    """Map a library's exception to ours.

    Args:
        error: what was raised.
        doing: "load" or "run": what the worker was about.
    """
    if isinstance(error, PlaygroundError):
        return error
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind in ("OutOfMemoryError", "ResourceExhaustedError"):
        return _out_of_memory(text)
    if any(word.lower() in text.lower() for word in _MEMORY_WORDS):
        return _out_of_memory(text)
    shown = f"{kind}: {text[:300]}"
    if isinstance(error, ImportError):
        return BackendMissing(
            f"The environment of this backend lacks a package. {shown}",
            f"Its interpreter is {sys.executable}: install keras-nlp, keras, sentencepiece and the "
            "backend there.",
        )
    if doing != "load":
        return EngineError(f"The model failed while running. {shown}", "Try again.")
    if any(word in text.lower() for word in _CORRUPT_WORDS):
        return LoadFailed(
            f"A file of the preset is damaged or not complete. {shown}",
            "Delete the preset's folder in the download cache and choose the model again.",
            code="corrupt_file",
        )
    return LoadFailed(
        f"The preset could not be loaded as a GemmaCausalLM. {shown}",
        "A preset is a KerasHub folder with config.json, weights and a SentencePiece vocabulary.",
    )


def _out_of_memory(text: str) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"There was not enough memory. {text[:200]}".strip(),
        "Lower max_length, choose a half-width precision, or choose a smaller model.",
    )
