"""The table of suites names existing tests, and the longer path applies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import suites

TESTS = Path(__file__).parent


@pytest.mark.parametrize("row", suites.ROWS, ids=lambda row: row.path)
def test_every_row_names_tests_that_exist(row: suites.Row) -> None:
    file, _, test = row.path.partition("[")[0].partition("::")
    assert (TESTS / file).exists()
    if test:
        name = test.split("::")[-1]
        text = (TESTS / file).read_text()
        assert any(f"{kind} {name}" in text for kind in ("def", "class"))


def test_what_no_row_names_is_quick() -> None:
    row = suites.row_of("ui/test_render.py::test_x[0]")
    assert (row.quick, row.alone, row.group) == (True, False, None)


def test_the_longer_path_counts() -> None:
    within = "browser/test_complete_for_real.py::test_gradio_client_end_to_end"
    assert suites.row_of(within).quick
    assert not suites.row_of("browser/test_complete_for_real.py::test_another").quick
    assert not suites.row_of("browser/test_wait_in_line.py::test_x").quick


def test_a_case_in_brackets_is_how_a_tests_own_case_begins() -> None:
    test = "workers/keras/test_decode.py::TestOnEveryBackend::test_x"
    assert suites.row_of(f"{test}[jax-tiny]").quick
    assert not suites.row_of(f"{test}[torch-bundled]").quick
    assert (
        suites.group_of("workers/keras/test_precisions.py::test_y[torch-int8]")
        == "torch-precisions"
    )


def test_tests_of_one_group_or_file_stay_together() -> None:
    for_tools = "server/openai_api/test_for_real.py::test_x"
    assert suites.group_of(for_tools) == suites.group_of("browser/test_compare_for_real.py::test_y")
    assert suites.group_of("ui/test_render.py::test_x") == "ui/test_render.py"


def test_a_file_without_a_quick_test_need_not_be_imported() -> None:
    assert suites.has_quick("browser/test_complete_for_real.py")
    assert suites.has_quick("ui/test_render.py")
    assert not suites.has_quick("training/test_attention.py")
