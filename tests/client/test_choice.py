"""The precision chosen by "auto", and choices rejected before anything is downloaded."""

from __future__ import annotations

from typing import Any

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.client import choice
from codegemma_ui.client.choice import Choice
from codegemma_ui.errors import NotEnoughMemory, UnsupportedPrecision
from codegemma_ui.machine import Backend, Gpu
from codegemma_ui.presets import memory
from codegemma_ui.settings import Settings

TWO_B, SEVEN_B = (presets.named(name) for name in ("code_gemma_2b_en", "code_gemma_7b_en"))


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the machine's free memory in gigabytes, and its GPUs."""

    def set_to(free_gb: float, *cards: Gpu) -> None:
        free = int(free_gb * 1e9)
        monkeypatch.setattr(machine, "memory_bytes", lambda: (free, free))
        monkeypatch.setattr(machine, "gpus", lambda: cards)

    monkeypatch.setattr(
        machine, "backend", lambda name, python=None: Backend(name, "1.0", python, "")
    )
    return set_to


@pytest.mark.parametrize(
    ("free_gb", "backend", "dtype"),
    [
        (15, "torch", "bfloat16"),
        (15, "tensorflow", "bfloat16"),
        (5, "jax", "int8"),
        (5, "torch", "int8"),
        (3.3, "torch", "int4"),
        (3.3, "jax", "int8"),  # which `check_memory` then rejects, with the total
    ],
)
def test_auto_is_the_widest_that_fits(has: Any, free_gb: float, backend: str, dtype: str) -> None:
    has(free_gb)
    assert memory.settled(TWO_B, backend, "auto") == dtype
    chosen = Choice(TWO_B, backend, "auto")
    command = choice.worker_command(chosen, presets.BUNDLED_FOLDER, Settings())
    assert command[command.index("--dtype") + 1] == dtype


def test_auto_counts_what_a_switch_frees(has: Any) -> None:
    has(2.4)
    assert memory.settled(TWO_B, "jax", "auto", freed=6_000_000_000) == "bfloat16"


def test_auto_is_float32_for_a_small_model_and_left_to_the_worker_where_it_knows_more(
    has: Any,
) -> None:
    def asked(preset: presets.Preset) -> str:
        command = choice.worker_command(
            Choice(preset, "jax", "auto"), presets.BUNDLED_FOLDER, Settings()
        )
        return command[command.index("--dtype") + 1]

    has(5)
    assert asked(presets.bundled()) == "float32"
    assert asked(presets.named("hf://owner/model")) == "auto"
    has(5, Gpu("a card", 16 * 10**9, 16 * 10**9))
    assert asked(TWO_B) == "auto"


def test_what_is_asked_for_is_not_changed(has: Any) -> None:
    has(5)
    assert memory.settled(TWO_B, "jax", "float32") == "float32"


def test_seven_billions_fit_in_int4(has: Any) -> None:
    has(17)
    assert memory.settled(SEVEN_B, "torch", "auto") == "int4"
    choice.check_memory(Choice(SEVEN_B, "torch", "auto"))
    with pytest.raises(NotEnoughMemory, match="in int8"):
        choice.check_memory(Choice(SEVEN_B, "jax", "auto"))


def test_on_less_memory_they_fit_with_a_shorter_context(has: Any) -> None:
    has(13)
    with pytest.raises(NotEnoughMemory, match="in int4") as refused:
        choice.check_memory(Choice(SEVEN_B, "torch", "auto"))
    assert "tart with --context-length 4096, which needs about 11.8 GB" in refused.value.hint
    choice.check_memory(Choice(presets.within(SEVEN_B, 4096), "torch", "auto"))


def test_int4_is_refused_where_nothing_multiplies_by_it(has: Any) -> None:
    has(15)
    choice.check_backend(Choice(TWO_B, "torch", "int4"), Settings())
    for backend in ("jax", "tensorflow"):
        with pytest.raises(UnsupportedPrecision, match=backend):
            choice.check_backend(Choice(TWO_B, backend, "int4"), Settings())
    has(15, Gpu("a card", 16 * 10**9, 16 * 10**9))
    with pytest.raises(UnsupportedPrecision, match="a GPU"):
        choice.check_backend(Choice(TWO_B, "torch", "int4"), Settings())


def test_the_log_names_a_choice_in_words() -> None:
    assert Choice(TWO_B, "jax", "int8").words() == "code_gemma_2b_en on jax in int8"
