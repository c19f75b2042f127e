"""Hints when there is too little memory: only options that are available and not yet in use."""

from __future__ import annotations

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.presets import memory

TWO, SEVEN = presets.named("code_gemma_2b_en"), presets.named("code_gemma_7b_en")
OFFERED = presets.offered()


def test_every_precision_has_its_figure() -> None:
    figures = memory.by_precision(TWO, "jax")
    assert list(figures) == ["float32", "bfloat16", "float16", "int8"]
    assert list(memory.by_precision(TWO, "torch")) == [*figures, "int4"]
    assert list(figures.values()) == sorted(figures.values(), key=lambda need: -(need or 0))


@pytest.mark.parametrize(
    ("backend", "dtype", "peak_gb"),
    [
        ("torch", "bfloat16", 6.06),
        ("torch", "int8", 4.22),
        ("torch", "int4", 3.18),
        ("jax", "bfloat16", 6.64),
        ("jax", "int8", 4.32),
        ("tensorflow", "bfloat16", 8.58),
    ],
)
def test_what_is_told_is_near_what_was_measured(backend: str, dtype: str, peak_gb: float) -> None:
    """VmHWM of a worker with CodeGemma 2B's shape, prompts of 22 and 200 tokens, on two cores."""
    assert memory.needed(TWO, backend, dtype) == pytest.approx(peak_gb * 1e9, rel=0.15)


def test_on_a_cpu_the_cache_is_kept_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = memory.by_precision(SEVEN, "jax")
    narrower = (figures["float32"] or 0) - (figures["bfloat16"] or 0)
    assert narrower == pytest.approx(1.1 * 2 * (SEVEN.parameters or 0), rel=1e-6)
    monkeypatch.setattr(machine, "gpus", lambda: (object(),))
    on_a_card = memory.needed(SEVEN, "jax", "float32") or 0
    assert on_a_card == pytest.approx(2 * (memory.needed(SEVEN, "jax", "bfloat16") or 0))


def test_narrower_precisions_and_the_next_smaller_model_are_proposed() -> None:
    said = memory.hint(SEVEN, "jax", "float32", OFFERED, 2048)
    assert said.startswith("Lower max_length, which is 2,048, choose the precision bfloat16, ")
    assert "a smaller model, such as CodeGemma 2B" in said


def test_what_is_in_force_already_is_not() -> None:
    said = memory.hint(presets.bundled(), "jax", "int8", OFFERED, 64)
    assert said == "Close other programs."


def test_of_a_model_whose_size_nobody_knows_nothing_is_made_up() -> None:
    unknown = presets.named("hf://owner/model")
    assert memory.hint(unknown, "jax", "float32", OFFERED, 64) == "Close other programs."
