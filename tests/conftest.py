"""Fixtures for all tests, and when each test runs (`suites.py` has the table)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.completions import recording
from codegemma_ui.completions.recording import Recording
from codegemma_ui.fim.vocabulary import Vocabulary
from tests import suites
from tests.server.scripted_page import REAL, Page, serving
from tests.support.probes import probe

TESTS = Path(__file__).parent

if "PYTEST_XDIST_WORKER" in os.environ:  # two processes: one thread each, for their engines too
    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")


@pytest.fixture
def every_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every backend appear installed, for clients whose worker is scripted."""
    versions = machine._versions

    def installed_here(names: tuple[str, ...], python: str | None) -> dict[str, str | None]:
        return dict.fromkeys(names, "1") if python is None else versions(names, python)

    monkeypatch.setattr(machine, "_versions", installed_here)
    machine.backend.cache_clear()
    yield
    machine.backend.cache_clear()


@pytest.fixture(scope="session")
def engine() -> Iterator[Page]:
    """The real program with the bundled model, started once; on jax, which starts fastest."""
    flags = ("--backend", "jax", "--openai-api", "--mcp")
    with serving(*flags, module=REAL, CUDA_VISIBLE_DEVICES="") as page:
        yield page


@pytest.fixture(scope="session")
def recorded() -> dict[str, Recording]:
    """Map each case of `snippets.cases` to the engine's completion of it, greedy and in float32."""
    written = probe("tests.completions.snippets.engine_probe")
    return {name: recording.from_dict(one) for name, one in written.items()}


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """Return the bundled preset's vocabulary."""
    return Vocabulary(presets.BUNDLED_FOLDER)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--suite",
        choices=("quick", "beside", "alone"),
        help="only what `make test` runs; only what may run beside others; only what may not",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files without quick tests, which may import what `make test` does not install."""
    if config.getoption("suite") != "quick" or collection_path.suffix != ".py":
        return None
    return None if suites.has_quick(collection_path.relative_to(TESTS).as_posix()) else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the suite, in the order and with the time limits of their rows."""
    rows = {item: suites.row_of(_from_tests_on(item.nodeid)) for item in items}
    for item, row in rows.items():
        if row.timeout_s and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(row.timeout_s))
    kept = {
        None: lambda row: True,
        "quick": lambda row: row.quick,
        "beside": lambda row: not (row.alone or row.apart),
        "alone": lambda row: row.alone,
    }[config.getoption("suite")]
    config.hook.pytest_deselected(items=[item for item in items if not kept(rows[item])])
    items[:] = [item for item in items if kept(rows[item])]
    items.sort(key=lambda item: not rows[item].first)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute tests by group, in the order above."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return suites.group_of(_from_tests_on(nodeid))

    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _from_tests_on(nodeid: str) -> str:
    return nodeid.removeprefix("tests/")
