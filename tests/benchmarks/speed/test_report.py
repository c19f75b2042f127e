"""The results as a page and as a picture."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from benchmarks.speed import plot, report
from benchmarks.speed.figures import Figures
from benchmarks.speed.http_requests import Timed
from benchmarks.speed.http_visit import Exchange, Found, Start, Together
from benchmarks.speed.runner import Run
from benchmarks.speed.visit import Visit
from tests.benchmarks.speed.scripted_runs import PLAN, Measure, scripted


def numbers(median: float, low: float, high: float) -> dict:
    return {"median": median, "low": low, "high": high, "rounds": 3}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.000123, "0.00012"),
        (0.01234, "0.012"),
        (3.14159, "3.14"),
        (99.96, "100"),
        (212.4, "212"),
        (1480.2, "1,480"),
    ],
)
def test_numbers_have_as_many_digits_as_they_deserve(value: float, shown: str) -> None:
    assert report.number(value) == shown


def test_a_cell_shows_the_spread_where_there_is_one() -> None:
    assert report.spread(numbers(0.0032, 0.0031, 0.0034), 1e3) == "3.2 (3.1–3.4)"
    assert report.spread(numbers(3.2, 3.2, 3.2)) == "3.2"
    assert report.spread(None) == "–"


def test_sizes_are_in_decimal_units() -> None:
    assert report.size(2_013_265_920) == "2.01 GB"
    assert report.size(24_130_560) == "24.1 MB"
    assert report.size(512) == "512 B"


def test_a_table_is_aligned_as_text_too() -> None:
    assert report.table(["name", "n"], [["a", "1"], ["longer", "1,234"]]) == (
        "| name   |     n |\n|--------|------:|\n| a      |     1 |\n| longer | 1,234 |"
    )


def scripted_http() -> list[dict]:
    """Return the figures of two visits to a page; in the second everything takes twice as long."""
    page = scripted("", "http-jax-float32", family="http", peer="llama.cpp-f32")
    visits = [
        [
            Visit(
                page,
                http=Found(
                    [Start("nothing kept", 4.0 * slow, 8.0 * slow)],
                    [Exchange("/infill", Timed(0.02 * slow, 0.1 * slow, 16), Timed(0.01, 0.2, 16))],
                    [Together("page", 100.0 / slow, 300.0 / slow)],
                ),
            )
        ]
        for slow in (1, 2)
    ]
    return Figures(Run(visits, bandwidths=[None, None]), ()).http()


@pytest.fixture
def found(measure: Measure) -> dict:
    """Return a report of scripted subjects, one of which crashes."""
    subjects = [
        scripted("steady", extras=("drafting", "typing")),
        scripted("other", "kerashub-jax-float32", family="kerashub", streams=False),
        scripted("crash-early", "llama.cpp-f32", family="llama.cpp"),
    ]
    figures = Figures(measure(subjects, rounds=2), ())
    return {
        "started": "2026-01-02T03:04+00:00",
        "seconds": 120.0,
        "interrupted": False,
        "model": {"name": "bundled", "random": False, "parameters": 6_032_640, "digest": "abc"},
        "settings": {
            "device": "cpu",
            "threads": 2,
            "rounds": 2,
            "quick": False,
            "plan": {"cases": [{"prompt_tokens": 40}], "typing_tokens": PLAN.typing_tokens},
        },
        "machine": {
            "cpu": "A Processor",
            "cores": 2,
            "features": ["avx2"],
            "cache_bytes": 33_554_432,
            "memory_bytes": 16_000_000_000,
            "gpus": [],
            "system": "Linux",
            "load": 0.1,
        },
        "versions": {"keras": "3.15.1"},
        "bandwidth": figures.bandwidth(),
        "rows": figures.rows(subjects),
        "control": {
            "subject": "llama.cpp-f32",
            "tokens_per_s": numbers(100, 96, 104),
            "drift": 0.08,
            "dropped": 1,
        },
        "sweeps": [
            {
                "subject": "llama.cpp-f32",
                "chosen": {"flash": "on"},
                "tried": [
                    {
                        "settings": {"flash": "on"},
                        "tokens_per_s": 100.0,
                        "first_token_s": 0.02,
                        "error": None,
                    },
                    {
                        "settings": {"flash": "off"},
                        "tokens_per_s": None,
                        "first_token_s": None,
                        "error": "no such thing",
                    },
                ],
            }
        ],
        "comparisons": figures.comparisons(),
        "typing": figures.typing(),
        "http": scripted_http(),
        "skipped": [{"subject": "engine-torch-float32", "needs": "pip install torch"}],
    }


def test_the_page_tells_all_of_it(found: dict) -> None:
    page = report.markdown(found)
    assert page.startswith("# Benchmark: bundled on A Processor\n")
    assert "2 of 2 cores used (avx2), 16 GB memory, last cache 33.6 MB" in page
    assert "Reading: 2 GB/s over 1 GB; 8 GB/s over 4 MB; 9 GB/s over 2 MB." in page
    row = next(line for line in page.splitlines() if line.startswith("| engine-jax-float32 "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    # name, cold, 24 in, 40 in, tokens/s, p50, p99, 16 tokens, 64 tokens
    assert cells == ["engine-jax-float32", "600", "100", "100", "100", "10", "10", "250", "730"]
    assert "`llama.cpp-f32`: RuntimeError: the weights are torn" in page
    assert "`engine-torch-float32`: pip install torch" in page
    assert re.search(r"drafting in other code \| 100 tokens/s \| 200 tokens/s \| +2 \| +yes", page)
    assert re.search(r"\| engine-jax-float32 \|   SPM \|", page)


def test_the_page_tells_how_fair_it_was(found: dict) -> None:
    page = report.markdown(found)
    assert "Control: `llama.cpp-f32` before and after each round, 100 (96–104) tokens/s" in page
    assert "a drift of 8%; one round was made again." in page
    assert re.search(r"\| llama.cpp-f32 \| +flash on \(chosen\) \| +100 \| +20 \|", page)
    assert re.search(r"\| llama.cpp-f32 \| +flash off \| no such thing \| +– \|", page)


def test_http_is_compared_pair_by_pair(found: dict) -> None:
    page = report.markdown(found)
    row = next(line for line in page.splitlines() if "| http-jax-float32, /infill" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        *("http-jax-float32, /infill", "llama.cpp-f32"),
        *("30 (20–40)", "10", "0.38 (0.25–0.5)", "150 (100–200)", "200", "1.5 (1–2)", "2"),
    ]
    assert re.search(r"http-jax-float32, nothing kept \| +6 \(4–8\) \| +12 \(8–16\)", page)
    assert re.search(r"http-jax-float32, page \| +75 \(50–100\) \| +225 \(150–300\) \| +3 ", page)


def test_a_subject_for_its_tokens_is_not_in_the_table_of_speeds(found: dict) -> None:
    rows = [row | {"speed": row["name"] != "kerashub-jax-float32"} for row in found["rows"]]
    page = report.markdown(found | {"rows": rows})
    assert "| kerashub-jax-float32 " not in page.split("## Tokens")[0]
    assert "| kerashub-jax-float32 " in page.split("## Tokens")[1]


def test_all_tables_have_as_many_cells_in_every_row(found: dict) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", report.markdown(found), re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_quick_or_interrupted_run_says_so_first(found: dict) -> None:
    quick = report.markdown(found | {"settings": found["settings"] | {"quick": True}})
    assert "its figures say little" in quick.split("## Speed")[0]
    assert "was interrupted" in report.markdown(found | {"interrupted": True})


def test_the_plot_is_a_picture_with_every_subject(found: dict, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "plot.png"
    plot.draw(found, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1500
    assert height > 400
    rows = [{**found["rows"][0], "name": f"engine-{number}"} for number in range(20)]
    plot.draw(found | {"rows": [*found["rows"], *rows]}, path)
    assert struct.unpack(">II", path.read_bytes()[16:24])[1] > height + 500  # space for each


@pytest.mark.parametrize("missing", ["rows", "typing"])
def test_half_a_plot_is_drawn_where_there_is_no_more(
    found: dict, tmp_path: Path, missing: str
) -> None:
    pytest.importorskip("matplotlib")
    plot.draw(found, tmp_path / "whole.png")
    slow = [row | {"tokens_per_s": None} for row in found["rows"]]
    half = found | ({"rows": slow} if missing == "rows" else {"typing": []})
    plot.draw(half, tmp_path / "half.png")
    assert _height(tmp_path / "half.png") < _height(tmp_path / "whole.png")


def _height(picture: Path) -> int:
    height: int = struct.unpack(">I", picture.read_bytes()[20:24])[0]
    return height


def test_nothing_measured_is_a_page_too(found: dict) -> None:
    nothing: dict = {"rows": [], "comparisons": [], "typing": [], "bandwidth": None}
    page = report.markdown(found | nothing)
    assert "## Speed" not in page
    assert "## Not measured" in page
