"""What is proposed where memory is too little: what is on offer and not in force yet."""

from __future__ import annotations

from codegemma_ui import memory, presets

TWO, SEVEN = presets.named("code_gemma_2b_en"), presets.named("code_gemma_7b_en")
OFFERED = presets.offered()


def test_every_precision_has_its_figure() -> None:
    figures = memory.by_precision(TWO, "jax")
    assert list(figures) == ["float32", "bfloat16", "float16", "int8"]
    assert figures["float32"] == TWO.memory_bytes("float32")


def test_narrower_precisions_and_the_next_smaller_model_are_proposed() -> None:
    said = memory.hint(SEVEN, "jax", "float32", OFFERED, 2048)
    assert said.startswith("Lower max_length, which is 2,048, choose the precision bfloat16, ")
    assert "a smaller model, such as CodeGemma 2B" in said


def test_what_is_in_force_already_is_not() -> None:
    said = memory.hint(presets.bundled(), "torch", "int8", OFFERED, 64)
    assert said == "Close other programs."


def test_of_a_model_whose_size_nobody_knows_nothing_is_made_up() -> None:
    unknown = presets.named("hf://owner/model")
    assert memory.hint(unknown, "jax", "float32", OFFERED, 64) == "Close other programs."
