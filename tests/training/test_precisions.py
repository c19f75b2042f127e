"""What narrower precisions cost, counted."""

from __future__ import annotations

from training.precisions import compared


def test_right_middles_and_equal_ones_are_counted_apart() -> None:
    def results(*rows: tuple[str, bool]) -> dict[str, dict[str, object]]:
        return {
            f"task/{number}": {"middle": middle, "exact_match": exact}
            for number, (middle, exact) in enumerate(rows)
        }

    counts = compared(
        {
            "float32": results(("a", True), ("b", False), ("c", False)),
            "int8": results(("a", True), ("x", False), ("d", True)),
        },
        "single_line",
    )
    assert counts == {
        "dataset": "single_line",
        "tasks": 3,
        "exact": {"float32": 1, "int8": 2},
        "as_float32": {"float32": 3, "int8": 1},
    }
