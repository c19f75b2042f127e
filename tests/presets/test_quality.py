"""The quality cost of a precision: one file of figures, used everywhere they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegemma_ui.commands import doctor, main
from codegemma_ui.presets import memory, quality
from codegemma_ui.settings import Settings
from codegemma_ui.ui import status_line
from tests.support.documentation import section
from tests.support.statuses import OFFERED, READY

FIGURES = {
    "tasks": 200,
    "measured": [
        {"backend": "jax", "dtype": "float32", "exact": 40, "perplexity": 5.0},
        {"backend": "jax", "dtype": "int8", "exact": 39, "perplexity": 5.125},
        {"backend": "torch", "dtype": "int8", "exact": 37, "perplexity": 5.25},
    ],
}


@pytest.fixture
def other_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    file = tmp_path / "precisions.json"
    file.write_text(json.dumps(FIGURES))
    monkeypatch.setattr(quality, "FILE", file)
    quality._measured.cache_clear()
    yield
    quality._measured.cache_clear()


@pytest.mark.usefixtures("other_figures")
def test_a_backends_own_figures_come_before_anothers() -> None:
    assert quality.of("int8", "torch") == quality.Quality(0.185, 5.25, 200)
    assert (
        quality.of("int8", "tensorflow") == quality.of("int8") == quality.Quality(0.195, 5.125, 200)
    )
    assert quality.of("float32", "torch") == quality.Quality(0.2, 5.0, 200)
    assert quality.of("int4", "torch") is None


@pytest.mark.usefixtures("other_figures")
def test_page_doctor_and_presets_show_the_files_figures(capsys: pytest.CaptureFixture[str]) -> None:
    def said_by(*arguments: str) -> str:
        with pytest.raises(SystemExit, match=r"^0$"):
            main.main(arguments)
        return capsys.readouterr().out

    expected = "float32 20.0%, 5.00 · int8 19.5%, 5.12"
    assert expected in status_line.shown(READY, OFFERED, "en").precisions
    report = doctor.examine(Settings(backend="jax"))
    assert report["quality_of_bundled"]["int8"] == {
        "exact_match": 0.195,
        "perplexity": 5.125,
        "tasks": 200,
    }
    line = (
        f"of the bundled model alone, exact match and perplexity on 200 held-out holes: {expected}"
    )
    assert line in doctor.as_text(report).splitlines()
    assert line in said_by("presets", "--backend", "jax").splitlines()
    told = json.loads(said_by("presets", "--backend", "jax", "--json"))
    rows = {row["name"]: row["quality"] for row in told}
    assert rows["bundled"] == report["quality_of_bundled"]
    assert rows["code_gemma_2b_en"] is None  # not measured


def test_the_documentation_has_the_same_figures() -> None:
    page = " ".join(section("docs/backends.md", "### What a precision costs").split())
    measured = quality.by_precision(memory.precisions("torch"), "torch")
    assert f"on {measured['int4'].tasks} held-out holes" in page
    assert quality.figures(measured) in page


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_precision_on_offer_was_measured(backend: str) -> None:
    offered = memory.precisions(backend)
    measured = quality.by_precision(offered, backend)
    assert tuple(measured) == offered
    exact = {dtype: one.exact_match for dtype, one in measured.items()}
    assert exact["int8"] >= exact["float32"] - 0.01
    if backend == "torch":
        assert exact["int4"] >= exact["float32"] - 0.03
