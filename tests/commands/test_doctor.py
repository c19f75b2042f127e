"""The doctor's report on memory: figures, and advice only where needed; and whether torch can compile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.commands import doctor
from codegemma_ui.presets import memory
from codegemma_ui.settings import Settings

SEVEN = "code_gemma_7b_en"


def memory_row(free_gb: float, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, str]:
    """Return a model's row on a machine with that much memory, and the whole text."""
    free = int(free_gb * 1e9)
    monkeypatch.setattr(memory, "free_bytes", lambda freed=0, devices=1: free)
    monkeypatch.setattr(doctor, "_torch_problem", lambda python: None)
    report = doctor.examine(Settings(preset=SEVEN), only=SEVEN)
    (row,) = report["presets"]
    return row, doctor.as_text(report)


def test_where_all_fits_nothing_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    row, text = memory_row(200, monkeypatch)
    assert row["fits"] == list(memory.precisions("tensorflow"))
    assert "fits in" not in text
    assert "best" not in text


def test_where_only_some_fit_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = presets.named(SEVEN)
    wide, narrow = (
        memory.needed(preset, "tensorflow", dtype) or 0 for dtype in ("float32", "bfloat16")
    )
    row, text = memory_row((wide + narrow) / 2e9, monkeypatch)
    assert row["fits"] == ["bfloat16", "float16", "int8"]
    assert "fits in bfloat16, float16, int8: --dtype bfloat16" in text
    assert f"memory float32 {wide / 1e9:.1f} GB · bfloat16 {narrow / 1e9:.1f} GB" in text


def test_where_nothing_fits_that_is_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    row, text = memory_row(1, monkeypatch)
    assert row["fits"] == []
    assert any("1.0 GB free" in one for one in row["missing"])
    assert "fits in" not in text


@pytest.mark.parametrize(
    ("name", "mark", "looked_up"),
    [
        ("hf://no/such", "?", False),
        ("kaggle://no/such/keras/model", "-", False),
        ("bundled", "+", True),
    ],
)
def test_a_repository_that_nobody_looked_up_does_not_pass_for_one_that_can_run(
    name: str, mark: str, looked_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"kaggle": False, "huggingface": False}
    monkeypatch.setattr(doctor, "credentials_present", lambda: nothing)
    monkeypatch.setattr(doctor, "_torch_problem", lambda python: None)
    report = doctor.examine(Settings(preset=name), only=name)
    (row,) = report["presets"]
    text = doctor.as_text(report).splitlines()
    assert row["looked_up"] is looked_up
    assert f"{mark} {name}" in text
    assert ("    not looked up: its files are listed when it is chosen" in text) is not looked_up
    assert "+ can run, - lacks what is listed below it, ? not looked up" in text


class TestWhetherTorchCompiles:
    """A script replaces another environment's Python, and prints the same output."""

    @pytest.fixture(autouse=True)
    def asked_anew(self) -> Iterator[None]:
        machine.backend.cache_clear()
        doctor._torch_problem.cache_clear()
        yield
        machine.backend.cache_clear()
        doctor._torch_problem.cache_clear()

    @staticmethod
    def torch_row(python: Path, then: str) -> tuple[dict, str]:
        """Return torch's row and its line; `python` has torch 2.9.1 and runs `then` for the check."""
        python.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            "if sys.argv[1] == '-c': print(json.dumps({'torch': '2.9.1'})); sys.exit()\n"
            f"assert sys.argv[1:] == ['-m', 'codegemma_ui.workers.keras.steps.torch_names']\n{then}\n",
            encoding="utf-8",
        )
        python.chmod(0o755)
        settings = Settings(pythons={"torch": str(python)})
        report = doctor.examine(settings, only="bundled")
        (row,) = [one for one in report["backends"] if one["name"] == "torch"]
        (line,) = [one for one in doctor.as_text(report).splitlines() if one.startswith("torch ")]
        return row, line

    def test_that_it_does_is_said(self, tmp_path: Path) -> None:
        row, line = self.torch_row(tmp_path / "python", "print('{\"uncompiled\": null}')")
        assert (row["version"], row["compiled"], row["uncompiled"]) == ("2.9.1", True, None)
        assert "2.9.1, compiled" in line

    def test_why_it_does_not_is_said(self, tmp_path: Path) -> None:
        row, line = self.torch_row(tmp_path / "python", 'print(\'{"uncompiled": "no compiler"}\')')
        assert (row["compiled"], row["uncompiled"]) == (False, "no compiler")
        assert "2.9.1, uncompiled: no compiler" in line

    def test_so_is_that_it_cannot_even_be_imported(self, tmp_path: Path) -> None:
        raising = "raise ImportError('libcudart.so.12: cannot open shared object file')"
        row, line = self.torch_row(tmp_path / "python", raising)
        assert row["compiled"] is False
        assert "could not be probed: ImportError: libcudart.so.12: cannot open" in line

    def test_what_is_not_installed_neither_does_nor_does_not(self, tmp_path: Path) -> None:
        settings = Settings(pythons={"torch": str(tmp_path / "none")})
        report = doctor.examine(settings, only="bundled")
        (row,) = [one for one in report["backends"] if one["name"] == "torch"]
        assert (row["compiled"], row["uncompiled"]) == (None, None)
