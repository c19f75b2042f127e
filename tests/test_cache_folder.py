"""The choice of a cache folder, and the message if a folder cannot be used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from codegemma_ui import cache_folder, installation
from codegemma_ui.commands import doctor
from codegemma_ui.settings import Settings
from tests.support import AWKWARD
from tests.support.nobody import as_nobody, needs_root

ROOT = Path(__file__).parent.parent


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_path_is_a_path(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / AWKWARD))
    found = cache_folder.usable("jax")
    assert found == cache_folder.Usable(caches / AWKWARD / "codegemma-ui" / "jax")
    assert found.folder is not None
    assert list(found.folder.iterdir()) == []


def test_a_relative_path_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert installation.cache_folder() == Path.home() / ".cache" / "codegemma-ui"


@pytest.mark.parametrize("where", ["codegemma-ui", "codegemma-ui/jax"])
def test_a_file_where_a_folder_is_needed(caches: Path, where: str) -> None:
    (caches / where).parent.mkdir(exist_ok=True)
    (caches / where).write_text("")
    found = cache_folder.usable("jax")
    assert found.folder is None
    assert found.problem == f"{caches}/codegemma-ui/jax: a file is where a folder is needed"


def test_a_name_that_is_too_long(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / ("x" * 300)))
    assert cache_folder.usable("jax").problem.endswith(": File name too long")


def test_a_full_disk(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert cache_folder.usable("jax").problem == (
        f"{caches}/codegemma-ui/jax: its disk has 3 MB left, 67 are needed"
    )


def test_no_home_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert "no home folder" in cache_folder.usable("jax").problem
    monkeypatch.setenv("HOME", "")
    installation.settle_home()
    assert os.environ["HOME"] == "/"


LOOK = """
import os, sys
from codegemma_ui import cache_folder, installation
installation.settle_home()
print(os.environ["HOME"], cache_folder.usable(*sys.argv[1:]).problem, sep="|")
"""


@needs_root
class TestAsAUserWithoutAnEntry:
    def test_the_home_is_the_root_folder(self) -> None:
        assert as_nobody(LOOK, "jax") == "/|/.cache/codegemma-ui/jax: Permission denied"

    @pytest.mark.parametrize("made", ["codegemma-ui", "codegemma-ui/jax", "codegemma-ui/jax/ab"])
    def test_what_root_made_once_is_named(self, tmp_path: Path, made: str) -> None:
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(0o755)
        (tmp_path / made).mkdir(parents=True)
        for folder in (tmp_path / made).relative_to(tmp_path).parents:
            os.chown(tmp_path / folder, 54321, 54321)
        said = as_nobody(LOOK, "jax", HOME="/", XDG_CACHE_HOME=str(tmp_path))
        assert f"{tmp_path}/codegemma-ui/jax: " in said
        assert said.endswith("Permission denied" if made != "codegemma-ui/jax/ab" else "written")


def test_a_private_folder_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = tmp_path / f"codegemma-ui-{os.getuid()}"
    assert cache_folder.private_temporary("torch") == own / "torch"
    assert own.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(own)
    own.symlink_to(tmp_path)  # as another user may have put there
    assert cache_folder.private_temporary("torch").parent != own
    own.unlink()
    own.mkdir()
    own.chmod(0o777)
    assert cache_folder.private_temporary("torch").parent != own


def test_emptying_tells_whether_anything_went(tmp_path: Path) -> None:
    assert not cache_folder.empty(tmp_path)
    assert not cache_folder.empty(tmp_path / "none")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "program").write_text("")
    assert cache_folder.empty(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_the_folder_and_the_reason(
    caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_torch_problem", lambda python: None)  # takes seconds
    report = doctor.examine(Settings())
    assert report["cache"] == {"folder": f"{caches}/codegemma-ui", "problem": None}
    assert f"cache       {caches}/codegemma-ui" in doctor.as_text(report)
    shutil.rmtree(caches / "codegemma-ui" / "torch")
    (caches / "codegemma-ui" / "torch").write_text("")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    text = doctor.as_text(doctor.examine(Settings()))
    assert f"cache       {caches}/codegemma-ui/torch: a file is where" in text
    assert "XDG_CACHE_HOME" in text
    assert "ignored     JAX_ENABLE_X64: --dtype decides" in text
