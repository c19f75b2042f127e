"""The wheels for a card's machine: the versions that this project allows, and not too large."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.gpu import wheels
from tools.gpu.wheels import VERSIONS, WheelsFailed

ROOT = Path(__file__).parents[2]


def test_they_are_versions_that_the_project_allows() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    allowed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    named = {one.name: one.specifier for one in allowed}
    assert {"keras", "keras-nlp", "psutil"} <= VERSIONS.keys() & named.keys()
    for name, version in VERSIONS.items():
        assert name not in named or version in named[name], name
    # keras-nlp is a name for the same version of this one.
    assert VERSIONS["keras-hub"] == VERSIONS["keras-nlp"]
    pyproject = (ROOT / "pyproject.toml").read_text()
    (protobuf,) = re.findall(r'"(protobuf[^"]*)"', pyproject)
    assert VERSIONS["protobuf"] in Requirement(protobuf).specifier


def test_too_much_to_travel_is_an_error() -> None:
    assert wheels.checked({"a.whl": wheels.MOST_BYTES}) == {"a.whl": wheels.MOST_BYTES}
    with pytest.raises(WheelsFailed, match="at most 20,000,000 bytes"):
        wheels.checked({"a.whl": wheels.MOST_BYTES, "b.whl": 1})


def test_where_a_wheel_is_not_found_those_of_an_earlier_download_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "old.whl").write_text("old")
    with pytest.raises(WheelsFailed, match="pip could not download the wheels"):
        wheels.download(folder, "3.12", {"keras": "0.0.0.1"})
    assert list(tmp_path.rglob("*")) == [folder, folder / "old.whl"]


def test_new_wheels_take_the_place_of_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip takes a wheel from a folder here, so that no network is needed."""
    index, folder = tmp_path / "index", tmp_path / "new" / "wheels"
    index.mkdir()
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(index / name, "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr(
            "tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        )
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    for _ in range(2):
        sizes = wheels.download(folder, "3.12", {"tiny": "1.0"})
        assert sizes == {name: (index / name).stat().st_size}
        (folder / "old.whl").touch()
    assert {path.name for path in folder.iterdir()} == {name, "old.whl"}
    wheels.download(folder, "3.12", {"tiny": "1.0"})
    assert [path.name for path in folder.iterdir()] == [name]
    monkeypatch.setattr(wheels, "MOST_BYTES", 1)
    with pytest.raises(WheelsFailed, match="at most 1 bytes"):
        wheels.download(folder, "3.12", {"tiny": "1.0"})
    assert [path.name for path in folder.iterdir()] == [name]
    assert [path.name for path in folder.parent.iterdir()] == ["wheels"]


def test_they_are_for_the_python_that_is_named(tmp_path: Path) -> None:
    try:
        sizes = wheels.download(tmp_path, "3.12")
    except WheelsFailed as error:
        if "No matching distribution" in str(error):
            pytest.skip("the package index is out of reach")
        raise
    assert len(sizes) == len(VERSIONS)
    assert any(name.startswith("h5py") and "-cp312-" in name for name in sizes)
    assert all("macos" not in name and "win" not in name for name in sizes)
