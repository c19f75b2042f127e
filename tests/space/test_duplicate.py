"""A duplicate of the Space, with a GPU and secrets: the model, its precision, and access rights."""

from __future__ import annotations

import argparse
import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.sizing.cards import CARDS, Card, fits
from codegemma_ui import download, machine, presets, secrets, settings
from codegemma_ui.client import choice
from codegemma_ui.errors import NotEnoughMemory
from codegemma_ui.workers.keras import framework, precision
from tools.space import hugging_face

PAIR = {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": "0123456789abcdef0123456789abcdef"}
TOKEN = {"KAGGLE_API_TOKEN": "KGAT_0123456789abcdef"}
CARD = {card.name: card for card in CARDS}


def duplicate(**more: str) -> settings.Settings:
    parser = argparse.ArgumentParser()
    settings.add_serve_flags(parser)
    environ = {**hugging_face.ENVIRONMENT, "ACCELERATOR": "t4-small", **more}
    return settings.resolve(parser.parse_args([]), environ)


@pytest.mark.parametrize("keys", [PAIR, TOKEN], ids=["pair", "token"])
def test_secrets_and_a_variable_choose_codegemma(
    keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not download.credentials_present()["kaggle"]
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    chosen = duplicate(CODEGEMMA_UI_PRESET="code_gemma_2b_en", **keys)
    assert chosen.preset == "code_gemma_2b_en"
    assert presets.named(chosen.preset).codegemma
    assert download.credentials_present()["kaggle"]
    secret = [value for name, value in keys.items() if name != "KAGGLE_USERNAME"]
    assert set(secret) <= set(secrets.values())  # so that the log and every error mask them
    assert not any(value in repr(chosen) for value in secret)


def test_visitors_reach_it_by_its_name_and_cannot_change_the_model() -> None:
    chosen = duplicate()
    assert (chosen.host, chosen.port) == ("0.0.0.0", hugging_face.PORT)
    assert chosen.allowed_hosts == (hugging_face.HOST,)
    assert (chosen.preset, chosen.dtype, chosen.allow_switch) == ("bundled", "auto", "nobody")


class Framework:
    """A backend's module, reduced to what is needed to detect a GPU."""

    def __init__(self, card: Card) -> None:
        major, minor = card.capability
        # torch
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            get_device_capability=lambda _: card.capability,
            get_device_name=lambda _: card.name,
        )
        # jax
        one = SimpleNamespace(
            platform="gpu", device_kind=card.name, compute_capability=f"{major}.{minor}"
        )
        self.devices = lambda: [one]
        # tensorflow
        details = {"compute_capability": card.capability, "device_name": card.name}
        self.config = SimpleNamespace(
            list_physical_devices=lambda _: ["card"],
            experimental=SimpleNamespace(
                set_memory_growth=lambda *_: None, get_device_details=lambda _: details
            ),
        )


@pytest.mark.parametrize("backend", machine.BACKENDS)
@pytest.mark.parametrize(
    ("card", "dtype"),
    [
        ("T4", "float16"),
        ("L4", "bfloat16"),
        ("A100 40 GB", "bfloat16"),
        ("A100 80 GB", "bfloat16"),
    ],
)
def test_the_precision_is_the_cards(
    backend: str, card: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda _: Framework(CARD[card]))
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda")  # as the worker has settled it by then
    device = framework.device(backend)
    assert device.name == card
    assert precision.choose("auto", device, 2_506_172_416) == precision.Precision(dtype, dtype)


@pytest.mark.parametrize(
    ("preset", "card", "has_room"),
    [
        ("code_gemma_2b_en", "T4", True),
        ("code_gemma_2b_en", "L4", True),
        ("code_gemma_7b_en", "T4", False),
        ("code_gemma_7b_en", "L4", True),
        ("code_gemma_7b_en", "A100 40 GB", True),
    ],
)
def test_what_has_room_is_loaded_and_what_has_not_is_refused(
    preset: str, card: str, has_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = presets.named(preset)
    assert fits(model, "bfloat16", CARD[card]) == has_room
    size = CARD[card].memory_bytes
    monkeypatch.setattr(machine, "gpus", lambda: (machine.Gpu(card, size, size),))
    monkeypatch.setattr(machine, "memory_bytes", lambda: (15 * 10**9, 14 * 10**9))  # of T4 small
    asked = choice.Choice(model, "tensorflow", "auto")
    if has_room:
        choice.check_memory(asked)
    else:
        with pytest.raises(NotEnoughMemory):
            choice.check_memory(asked)
