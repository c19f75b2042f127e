"""Which tests run when: one table by path, applied by conftest.py.

`make test` runs the quick ones, which most changes would break. `make test-all` runs all except those of
`make versions`: in two parallel processes, then, by themselves, those that measure time. A test without a row
is quick, and has pyproject.toml's time limit of a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ENGINES_S = 300
"""Seconds for a test that starts an engine, on a machine that is busy and has nothing compiled."""


VERSION_S = 1200
"""Seconds to install a framework's version and run it on a machine that is busy: 6 GB, and a compiler."""


@dataclass(frozen=True)
class Row:
    """The rules for the tests below a path; of two matching rows the longer path applies.

    Attributes:
        path: prefix of a test's id, from tests/ on, optionally with the beginning of its case in brackets.
        quick: whether `make test` runs them.
        alone: whether nothing may run at the same time.
        group: files of one group run in one process, one after another, and share what they start.
        timeout_s: seconds for a test, including the fixtures that it is the first to start.
        first: whether they start before the others, because they take long.
        apart: whether only a command of their own runs them.
    """

    path: str
    quick: bool = False
    alone: bool = False
    group: str | None = None
    timeout_s: int | None = None
    first: bool = False
    apart: bool = False

    def names(self, test: str) -> bool:
        """Return whether a test is below the path."""
        path, _, case = self.path.removesuffix("]").partition("[")
        return test.startswith(path) and test.partition("[")[2].startswith(case)


PROBE: dict[str, Any] = {"timeout_s": 900, "first": True}
"""Of tests that read what one long process did; a compiler that finds nothing kept takes minutes."""


def long(*paths: str, **options: Any) -> Iterator[Row]:
    return (Row(path, **options) for path in paths)


def quick(*paths: str, **options: Any) -> Iterator[Row]:
    return (Row(path, quick=True, **options) for path in paths)


ROWS = (
    # One real engine, started once: the page over it, and the endpoints for other tools.
    *long("browser/test_complete_for_real.py", group="engine", timeout_s=ENGINES_S, first=True),
    *quick(
        "browser/test_complete_for_real.py::test_type_complete_and_read_all_panes",
        "browser/test_complete_for_real.py::test_gradio_client_end_to_end",
        "server/openai_api/test_for_real.py",
        **{"group": "engine", "timeout_s": ENGINES_S, "first": True},
    ),
    *long("browser/test_compare_for_real.py", group="engine", timeout_s=ENGINES_S, first=True),
    # The page in Chromium: each user action once, the rest in the long run.
    *long("browser/"),
    *long(
        "browser/test_axe.py",
        "browser/test_behind_a_proxy.py",
        "browser/test_come_back_after_a_reload.py",
        timeout_s=ENGINES_S,
    ),
    *quick(
        "browser/test_press_ctrl_enter.py",
        "browser/test_stop_with_escape.py",
        "browser/test_read_an_error.py",
        "browser/test_markup_stays_text.py",
        "browser/test_read_korean.py",
        "browser/test_look_at_the_page.py",
    ),
    *quick("browser/test_axe.py::test_axe_finds_nothing[wide-light]", timeout_s=ENGINES_S),
    # mypy reads every library that the package imports.
    *quick("library/test_imports.py::test_a_type_checker_knows_the_name", timeout_s=ENGINES_S),
    # A compiler that finds nothing kept.
    *quick(
        "workers/keras/test_torch_graph.py",
        "workers/keras/test_torch_launches.py",
        timeout_s=ENGINES_S,
    ),
    # Engines, exports, scripts and other programs that read our output.
    *quick("workers/keras/test_decode.py::TestOnEveryBackend[jax-tiny]", **PROBE, group="jax-tiny"),
    *(
        Row(f"workers/keras/test_decode.py::TestOnEveryBackend[{case}]", **PROBE, group=case)
        for case in ("torch-bundled", "tensorflow-bundled", "jax-bundled")
    ),
    *(
        Row(f"workers/keras/test_precisions.py[{backend}]", **PROBE, group=f"{backend}-precisions")
        for backend in ("jax", "tensorflow", "torch")
    ),
    # Other versions of torch and jax, each in an environment made first: `make versions` runs all.
    Row("workers/keras/test_versions.py[torch", timeout_s=VERSION_S, apart=True),
    *(
        Row(
            f"workers/keras/test_versions.py[{version}",
            timeout_s=VERSION_S,
            first=True,
            group=version,
        )
        for version in ("torch-2.8", "jax-0.10", "jax-0.11")
    ),
    *long(
        "benchmarks/",
        "container/",
        "contract/test_contract.py::test_the_outside_sees_what_it_saw[greedy",
        "workers/keras/test_cache_folder.py",
        "workers/keras/test_sample.py",
        "workers/keras/test_globals.py",
        "workers/keras/test_loading.py",
        "workers/keras/test_parallel.py",
        "workers/keras/test_batching.py::TestOnJax",
        "workers/keras/test_batching.py::TestOnTorch",
        "workers/keras/test_versions.py",
        "workers/keras/test_worker.py",
        "commands/export/",
        "fuzz/",
        "gpu/test_correctness_for_real.py",
        "gpu/test_speed.py::test_a_small_run_measures_everything",
        "gpu/test_train.py",
        "gpu/test_wheels.py::test_they_are_for_the_python_that_is_named",
        "library/test_bundled.py",
        "real_size/test_memory.py",
        "real_size/test_run.py",
        "space/",
        "commands/test_cli.py",
        "ui/test_examples_for_real.py",
        "ui/test_lessons_for_real.py",
        "test_notebooks.py",
        "test_packaging.py",
        "test_requirements_elsewhere.py",
        "client/test_switch_for_real.py",
        "training/",
        timeout_s=ENGINES_S,
    ),
    *long(
        *("workers/openai/test_same_tokens.py", "completions/snippets/test_same_tokens.py"),
        **{"group": "other programs", "timeout_s": ENGINES_S, "first": True},
    ),
    *long("workers/openai/test_worker.py", timeout_s=ENGINES_S),
    *long(
        "server/openai_api/test_infill.py::test_the_answer_has_llama_cpps_keys",
        "server/openai_api/test_infill.py::test_a_stream_has_its_keys_too",
        "server/openai_api/test_infill.py::test_the_fields_that_are_asked_for_are_llama_cpps",
        "server/test_behind_nginx.py",
        "test_rehearsals.py::test_a_container_takes_root_and_debootstrap",
        timeout_s=ENGINES_S,
    ),
    # The watches too: they measure memory and times.
    *long("reliability/", alone=True, timeout_s=ENGINES_S),
    # Tests that measure time.
    *long(
        "browser/test_call_the_api.py::test_the_status_answers_at_once_while_busy",
        "browser/test_race_the_layouts.py::test_a_race_can_be_stopped",
        "browser/test_stop_with_escape.py::test_a_stop_is_heard_within_a_heartbeat",
        "browser/test_wait_in_line.py::test_every_open_page_follows_a_switch",
        "browser/test_watch_the_token_sum.py::test_the_sum_updates_while_the_model_is_loading",
        "server/test_bodies.py",
        "client/test_progress.py::test_a_stop_ends_the_updates_at_once_from_any_thread",
        alone=True,
    ),
    *long("server/test_memory.py", alone=True, timeout_s=ENGINES_S),
)


def row_of(test: str) -> Row:
    """Return the rules for a test.

    Args:
        test: its id, from tests/ on: `ui/test_render.py::test_x[0]`.
    """
    rows = [row for row in ROWS if row.names(test)]
    return max(rows, key=lambda row: len(row.path), default=Row("", quick=True))


def has_quick(file: str) -> bool:
    """Return whether a file has tests that `make test` runs; otherwise it need not be imported."""
    return row_of(file).quick or any(row.quick and row.path.startswith(f"{file}::") for row in ROWS)


def group_of(test: str) -> str:
    """Return a test's group, whose tests run in one process: its file, unless a row says otherwise."""
    return row_of(test).group or test.partition("::")[0]
