"""Available models: handles, sizes, and what each was trained for. Pure.

Parameters and handles are KerasHub's own (`keras_hub/src/models/gemma/gemma_presets.py`, 0.32; a test
compares them). Weights on Kaggle are bfloat16, two bytes per parameter.

The package also covers memory needs (`memory`), the quality cost of each precision (`quality`) and weight
formats (`model_format`). It imports `fim`, `errors` and `machine`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegemma_ui import fim
from codegemma_ui.errors import UnknownPreset
from codegemma_ui.presets import amounts, model_format

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parents[1] / "models" / "fim_small"

FIM_FILE = "fim.json"
"""Training properties of a model, in its folder: `{"context_length": 1024, "layouts": ["psm", "spm"]}`."""

EXPORT_FILE = "export.json"
"""Source of an export, in its folder; written by `commands.export.folder`."""

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
KAGGLE_HANDLE = re.compile(rf"kaggle://{_NAME}/{_NAME}/keras/{_NAME}(/[1-9][0-9]*)?")
HF_HANDLE = re.compile(rf"hf://(?!.*(?:--|\.\.)){_NAME}/{_NAME}")

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8", "int4")
"""Precisions of a model's weights; "auto" depends on the machine."""

CODEGEMMA_CONTEXT = 8192

LONGEST_CONTEXT = 1 << 20
"""More tokens than any model here supports: no limit but the model's own."""

WIDTHS = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "int4": 0.73}
"""Bytes per weight. int4: half, an eighth for scale and zero point, embedding and attention in int8."""

LARGE = 500_000_000
"""Parameters from which memory limits a model on a CPU: there "auto" uses half precision."""

GEMMA_TERMS = "https://ai.google.dev/gemma/terms"
GEMMA_POLICY = "https://ai.google.dev/gemma/prohibited_use_policy"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """An available model.

    Attributes:
        name: name that users type and `/status` reports.
        handle: a folder, `kaggle://…` or `hf://…`.
        label: text in the dropdown.
        parameters: number of parameters, or None if unknown before loading.
        context_length: trained context in tokens.
        layouts: prompt orders the model was trained on, besides left to right, which every model was.
        instruct: trained for chat; poor at fill-in-the-middle.
        codegemma: under the Gemma terms of use.
        kv_bytes_per_token: KV cache bytes per token in a two-byte precision.
    """

    name: str
    handle: str
    label: str
    parameters: int | None = None
    context_length: int = CODEGEMMA_CONTEXT
    layouts: tuple[fim.Layout, ...] = ("psm",)
    instruct: bool = False
    codegemma: bool = False
    kv_bytes_per_token: int = 0

    def knows(self, layout: fim.Layout) -> bool:
        """Return whether the model was trained on prompts of this order."""
        return layout == "ltr" or layout in self.layouts

    @property
    def title(self) -> str:
        """The label without size and kind, for use in a sentence."""
        return self.label.split(" · ")[0]

    @property
    def local(self) -> bool:
        """Return whether it is already a folder on this machine, with nothing to download."""
        return "://" not in self.handle

    @property
    def download_bytes(self) -> int | None:
        """Approximate download size; 0 for a local folder."""
        if self.local:
            return 0
        return None if self.parameters is None else 2 * self.parameters

    def weights_bytes(self, dtype: str) -> int | None:
        """Return the size of the loaded weights, or None if their number is unknown.

        Args:
            dtype: "float32", "bfloat16", "float16", "int8" or "int4".
        """
        return None if self.parameters is None else int(self.parameters * WIDTHS[dtype])

    def cache_bytes(self, activations: str) -> int:
        """Return the size of a full KV cache.

        Args:
            activations: precision of computation and cache.
        """
        wide = 2 if activations == "float32" else 1
        return self.kv_bytes_per_token * self.context_length * wide

    def memory_bytes(self, dtype: str, activations: str) -> int | None:
        """Return an estimate of the memory needed: weights and a full KV cache, plus a tenth.

        Args:
            dtype, activations: as in `weights_bytes` and `cache_bytes`.
        """
        weights = self.weights_bytes(dtype)
        return None if weights is None else int(1.1 * (weights + self.cache_bytes(activations)))


def _codegemma(name: str, label: str, version: int, *, instruct: bool = False) -> Preset:
    seven = "7b" in name
    layers, kv_heads = (28, 16) if seven else (18, 1)
    return Preset(
        name=name,
        handle=f"kaggle://keras/codegemma/keras/{name}/{version}",
        label=label,
        parameters=8_537_680_896 if seven else 2_506_172_416,
        layouts=("psm", "spm"),
        instruct=instruct,
        codegemma=True,
        kv_bytes_per_token=layers * kv_heads * 256 * 2 * 2,
    )


def bundled() -> Preset:
    """Return the preset that ships in this package."""
    preset = _from_folder(BUNDLED, BUNDLED_FOLDER)
    size = amounts.parameters(preset.parameters or 0)
    return replace(preset, label=f"Bundled FIM model · {size} · not CodeGemma")


CODEGEMMA = (
    _codegemma("code_gemma_2b_en", "CodeGemma 2B", 2),
    _codegemma("code_gemma_1.1_2b_en", "CodeGemma 1.1 2B", 2),
    _codegemma("code_gemma_7b_en", "CodeGemma 7B", 3),
    _codegemma("code_gemma_instruct_7b_en", "CodeGemma 7B Instruct", 3, instruct=True),
    _codegemma("code_gemma_1.1_instruct_7b_en", "CodeGemma 1.1 7B Instruct", 3, instruct=True),
)


def _from_folder(name: str, folder: Path) -> Preset:
    facts: dict[str, object] = {}
    for file in ("metadata.json", FIM_FILE):
        with contextlib.suppress(OSError, ValueError):
            facts |= json.loads((folder / file).read_bytes())
    config = model_format.config_in(folder)
    parameters = facts.get("parameter_count", model_format.parameters_of(config))
    context_length = facts.get("context_length", config.get("max_position_embeddings"))
    layouts = facts.get("layouts")
    return Preset(
        name=name,
        handle=str(folder),
        label=folder.name,
        parameters=parameters if isinstance(parameters, int) else None,
        context_length=context_length if isinstance(context_length, int) else CODEGEMMA_CONTEXT,
        layouts=tuple(side for side in fim.LAYOUTS if side in layouts)
        if isinstance(layouts, list)
        else ("psm",),
        kv_bytes_per_token=model_format.kv_bytes_per_token(config),
    )


def fetched(preset: Preset, folder: Path) -> Preset:
    """Add a downloaded folder's information to a preset; presets of the table stay unchanged."""
    if preset.local or preset.codegemma:
        return preset
    return replace(_from_folder(preset.name, folder), handle=preset.handle, label=preset.label)


def named(name: str) -> Preset:
    """Return the preset that the operator named.

    Args:
        name: a name of the table, a local preset folder, `hf://owner/model` or
            `kaggle://owner/model/keras/variation[/version]`.

    Raises:
        UnknownPreset: if it is none of these, or of another format.
    """
    for preset in (bundled(), *CODEGEMMA):
        if name in (preset.name, preset.handle):
            return preset
    framework = other_framework(name)
    if framework is not None:
        raise UnknownPreset(
            f"A preset on Kaggle is kaggle://owner/model/keras/variation. Received: {name}, "
            f"for {framework}.",
            instead_of(name),
        )
    if HF_HANDLE.fullmatch(name) or KAGGLE_HANDLE.fullmatch(name):
        return Preset(name=name, handle=name, label=name.split("://", 1)[1])
    folder = Path(os.path.expanduser(name))  # noqa: PTH111  # Path's raises for ~nobody
    try:
        wrong = model_format.wrong_at(folder) if name and folder.exists() else None
        found = wrong is None and (folder / model_format.CONFIG_FILE).is_file()
    except OSError as error:
        raise UnknownPreset(f"A preset's folder must be readable. Received: {error}") from error
    if wrong is not None:
        raise UnknownPreset(
            f"A model must be {model_format.EXPECTED}. Received: {name} with {wrong}."
            if folder.is_dir()
            else f"A model must be the folder of {model_format.EXPECTED}. Received: the file {wrong}.",
            instead_of(name),
        )
    if found:
        return _from_folder(name, folder.resolve())
    raise UnknownPreset(
        "A preset is a name of the table, a local preset folder with a config.json, hf://owner/model "
        f"or kaggle://owner/model/keras/variation. Received: {name!r}",
        "The command `presets` lists the table.",
    )


_KAGGLE_FRAMEWORK = re.compile(r"kaggle://[^/]+/[^/]+/([^/]+)/.+")
_CODEGEMMA_ELSEWHERE = re.compile(r"codegemma(?:-|/[a-z0-9]+/)(1\.1-)?(2b|7b)(-it)?(?![a-z0-9])")


def other_framework(handle: str) -> str | None:
    """Return the framework that a Kaggle handle names in place of `keras`."""
    match = _KAGGLE_FRAMEWORK.fullmatch(handle)
    return match[1] if match and match[1] != "keras" else None


def instead_of(name: str) -> str:
    """Suggest an alternative to a model in another format.

    Args:
        name: a handle, a folder or a file.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        exported = json.loads((Path(name).expanduser() / EXPORT_FILE).read_bytes())
        return f"It was exported from {exported['made']['preset']}: choose that."
    match = _CODEGEMMA_ELSEWHERE.search(name.lower())
    if match:
        version, size, instruct = "1.1_" if match[1] else "", match[2], match[3]
        same = f"code_gemma_{version}{'instruct_' if instruct else ''}{size}_en"
        for preset in CODEGEMMA:
            if preset.name == same:
                return (
                    f"Choose {preset.name}: it is {preset.label} as a KerasHub preset, "
                    f"{preset.handle}."
                )
    return (
        "Choose a KerasHub preset with FIM control tokens; the command `presets` lists CodeGemma's."
    )


def within(preset: Preset, most: int) -> Preset:
    """Limit a preset's context: a shorter cache takes less memory."""
    return replace(preset, context_length=min(preset.context_length, most))


def offered(*extra: str, most: int = LONGEST_CONTEXT) -> tuple[Preset, ...]:
    """Return the dropdown's models: the bundled preset, the CodeGemma table, then those the operator named.

    Args:
        extra: as for `named`.
        most: limit on the tokens of a request, for models that support more.
    """
    presets = [bundled(), *CODEGEMMA]
    for name in extra:
        preset = named(name)
        if preset not in presets:
            presets.append(preset)
    return tuple(within(preset, most) for preset in presets)


def describe(preset: Preset) -> dict[str, Any]:
    """Return a table row for `presets --json`."""
    note = None
    if preset.instruct:
        note = "made for chat: the report measures 20% on multi-line infilling where 7B has 58%"
    elif preset.codegemma:
        note = "needs a Kaggle key and the accepted Gemma terms"
    return {
        "name": preset.name,
        "label": preset.label,
        "handle": preset.handle,
        "parameters": preset.parameters,
        "download_bytes": preset.download_bytes,
        "context_length": preset.context_length,
        "layouts": list(preset.layouts),
        "note": note,
    }
