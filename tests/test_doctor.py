"""What the doctor says of memory: figures, and advice only where they decide."""

from __future__ import annotations

import pytest

from codegemma_ui import doctor, memory, presets
from codegemma_ui.settings import Settings

SEVEN = "code_gemma_7b_en"


def told(free_gb: float, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, str]:
    """The row of a model on a machine with so much memory, and the whole text."""
    free = int(free_gb * 1e9)
    monkeypatch.setattr(memory, "free_bytes", lambda freed=0, devices=1: free)
    report = doctor.examine(Settings(preset=SEVEN), only=SEVEN)
    (row,) = report["presets"]
    return row, doctor.as_text(report)


def test_where_all_fits_nothing_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    row, text = told(200, monkeypatch)
    assert row["fits"] == list(memory.precisions("tensorflow"))
    assert "fits in" not in text
    assert "best" not in text


def test_where_only_some_fit_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = presets.named(SEVEN)
    wide, narrow = (
        memory.needed(preset, "tensorflow", dtype) or 0 for dtype in ("float32", "bfloat16")
    )
    row, text = told((wide + narrow) / 2e9, monkeypatch)
    assert row["fits"] == ["bfloat16", "float16", "int8"]
    assert "fits in bfloat16, float16, int8: --dtype bfloat16" in text
    assert f"memory float32 {wide / 1e9:.1f} GB · bfloat16 {narrow / 1e9:.1f} GB" in text


def test_where_nothing_fits_that_is_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    row, text = told(1, monkeypatch)
    assert row["fits"] == []
    assert any("1.0 GB free" in one for one in row["missing"])
    assert "fits in" not in text
