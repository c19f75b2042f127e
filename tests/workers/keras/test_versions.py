"""Every allowed version of torch and jax generates KerasHub's own tokens, compiled and uncompiled.

Each runs in its own environment (`framework_versions.py`), with the tiny model. `make versions` runs them
all, `make test-all` the oldest of each and the newest jax; the newest torch is the installed one.
"""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version as Number

from tests.workers.keras import decoding, framework_versions
from tests.workers.keras.framework_versions import ROOT, VERSIONS, Version


@pytest.fixture(scope="module", params=VERSIONS, ids=str)
def version(request: pytest.FixtureRequest) -> Version:
    wanted: Version = request.param
    return wanted


@pytest.fixture(scope="module")
def report(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Any:
    python = framework_versions.interpreter(version)
    return decoding.report(version.backend, "tokens", tmp_path_factory.mktemp("modules"), python)


def test_what_ran_is_that_version(version: Version, report: Any) -> None:
    assert Number(report["version"]) in Requirement(version.requirement).specifier
    assert report["python"].startswith(f"{version.python}.")


def test_tokens_are_those_of_generate_in_every_precision(version: Version, report: Any) -> None:
    narrow = {"bfloat16", "int8", "int4"} - ({"int4"} if version.backend == "jax" else set())
    assert report["tokens"].keys() == {"float32", *narrow}
    for dtype, told in report["tokens"].items():
        if dtype == "int4":  # torch's kernel rounds rows to bfloat16
            assert max(told["apart"]) <= 0.2
        else:
            assert told["ours"] == told["theirs"], dtype
            assert told["compiled"] == told["theirs"], dtype
        assert [len(tokens) for tokens in told["theirs"]] == [44, 31, 23]
        assert len({token for tokens in told["theirs"] for token in tokens}) > 10, dtype


def test_the_compiled_path_serves(report: Any) -> None:
    assert {dtype: told["note"] for dtype, told in report["tokens"].items()} == dict.fromkeys(
        report["tokens"]
    )


def test_several_completions_at_once_are_the_same_on_jax(version: Version, report: Any) -> None:
    if version.backend == "jax":
        assert report["together"] == report["tokens"]["float32"]["theirs"]
    else:
        assert report["together"] is None


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_requirements_allow_what_is_tried_and_no_more(backend: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (line,) = project["project"]["optional-dependencies"][backend]
    tried = [one.minor for one in VERSIONS if one.backend == backend]
    major, first = tried[0].split(".")
    last = tried[-1].split(".")[1]
    assert tried == [f"{major}.{minor}" for minor in range(int(first), int(last) + 1)]
    assert str(Requirement(line).specifier) == f"<{major}.{int(last) + 1},>={major}.{first}"
