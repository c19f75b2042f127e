"""The cache of compiled programs, with each real framework: its path, damaged files, and no cache.

A small program replaces a model wherever the result is the same, which saves the import of Keras and the
load.
"""

from __future__ import annotations

import _ctypes
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import cache_folder, presets
from codegemma_ui.workers.keras import compiled
from tests.support import AWKWARD
from tests.support.nobody import as_nobody, needs_root
from tests.workers.keras.worker_process import Worker

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def this_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore what `compiled.use` changes: variables and its own state."""
    for name in ("_folder", "_problem", "_damaged", "_given_up"):
        monkeypatch.setattr(compiled, name, getattr(compiled, name))
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def probe(home: Path, backend: str) -> dict[str, Any]:
    """Return the report of `compile_probe`, with a cache and temporary files below `home` only."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.workers.keras.compile_probe", backend],
        env={
            **{name: value for name, value in os.environ.items() if "CACHE" not in name},
            **{"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
            **{"TMPDIR": str(home / "tmp"), "TORCHINDUCTOR_COMPILE_THREADS": "1"},
        },
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        errors="replace",  # tensorflow quotes a damaged file unchanged
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert report["result"] == 7.0
    return report


def files(home: Path, backend: str) -> list[Path]:
    """Return the framework's cached files, without our checksums."""
    folder = home / ".cache" / "codegemma-ui" / backend
    return [one for one in folder.rglob("*") if one.is_file() and one.name != compiled.SUMS]


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_blanks_quotes_and_hangul_in_a_path_and_damaged_files(tmp_path: Path, backend: str) -> None:
    home = tmp_path / AWKWARD
    first = probe(home, backend)
    assert first["note"] is None
    assert len(first["kept"]) > 1
    assert list(tmp_path.iterdir()) == [home]  # nothing beside it, such as before a blank
    assert ".keras" not in first["home"]

    # As left by a process killed while writing: there are no checksums, and the framework detects it.
    noise = random.Random(1)
    garbage = set()
    for file in files(home, backend):
        if size := file.stat().st_size:
            written = noise.randbytes(size)
            file.write_bytes(written)
            garbage.add(written)
    folder = home / ".cache" / "codegemma-ui" / backend / compiled.processor()
    (folder / compiled.SUMS).unlink()
    second = probe(home, backend)
    assert f"{folder} could not be read" in second["note"]
    assert len(second["kept"]) == len(first["kept"])  # recompiled
    assert garbage.isdisjoint({file.read_bytes() for file in files(home, backend)})


def test_the_same_on_torch_which_writes_command_lines_for_a_compiler(tmp_path: Path) -> None:
    home = tmp_path / AWKWARD
    folder = home / ".cache" / "codegemma-ui" / "torch" / compiled.processor()
    folder.mkdir(parents=True)
    (folder / "old").write_text("")
    told = probe(home, "torch")
    assert f"{folder} could not be read" in told["note"]
    assert "old" not in told["kept"]
    assert any(name.endswith(".so") for name in told["kept"])
    assert any("precompiled_headers" in name for name in told["kept"])
    assert list(tmp_path.iterdir()) == [home]


def test_tensorflow_finds_a_program_again_whatever_was_traced_before_it(tmp_path: Path) -> None:
    def kept_after(order: str) -> int:
        done = subprocess.run(
            [sys.executable, "-m", "tests.workers.keras.naming_probe", order],
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    first = kept_after("ab")
    assert first >= 2
    assert kept_after("ba") == first
    assert kept_after("bab") == first


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    for number in range(10):
        file = tmp_path / f"{number}"
        file.write_bytes(bytes(100))
        os.utime(file, (number, number))
    (tmp_path / compiled.SUMS).write_text("{}")
    compiled.trim(tmp_path, 1000)
    assert len(list(tmp_path.iterdir())) == 11
    compiled.trim(tmp_path, 999)
    assert sorted(one.name for one in tmp_path.iterdir()) == [*"6789", compiled.SUMS]


class TestSums:
    """Checksums detect a flipped bit in machine code, which a framework would run."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")  # so that it is restored at the end
        for name in ("MIN_COMPILE_TIME_SECS", "MIN_ENTRY_SIZE_BYTES"):
            monkeypatch.setenv(f"JAX_PERSISTENT_CACHE_{name}", "0")
        monkeypatch.setattr("warnings.showwarning", print)
        folder = tmp_path / "codegemma-ui" / "jax" / compiled.processor()
        folder.mkdir(parents=True)
        (folder / "one").write_bytes(b"\x00program")
        (folder / "two").write_bytes(b"another")
        self.again()
        compiled.save_checksums()
        return folder

    @staticmethod
    def again(keep: bool = True) -> str | None:
        """Return the note of a new process on the cache."""
        os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
        compiled.use("jax", keep)
        return compiled.note()

    def test_hold_where_nothing_changed(self, folder: Path) -> None:
        (folder / "three").write_bytes(b"newer")  # by a process that has not got this far
        (folder / "two").unlink()  # deleted by someone
        assert self.again() is None
        assert (folder / "one").exists()

    @pytest.mark.parametrize("damage", ["flip", "sums"])
    def test_throw_all_of_it_away_where_one_differs(self, folder: Path, damage: str) -> None:
        if damage == "flip":
            (folder / "one").write_bytes(b"\x01program")
        else:
            (folder / compiled.SUMS).write_text("[")
        assert "deleted" in (self.again() or "")
        assert list(folder.iterdir()) == []
        assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)

    def test_another_processor_has_a_folder_of_its_own(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compiled, "processor", lambda: "x86_64-00000000")
        assert self.again() is None
        assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder.parent / "x86_64-00000000")
        assert (folder / "one").exists()

    @pytest.mark.skipif(sys.platform != "linux", reason="of ELF")
    def test_are_not_needed_to_see_that_a_library_has_no_end(self, folder: Path) -> None:
        library = Path(_ctypes.__file__).read_bytes()
        for broken, whole in ((library, True), (library[:-1], False), (b"noise" * 99, False)):
            (folder / "new.so").write_bytes(broken)
            assert (self.again() is None) == whole

    def test_that_a_model_loads_without_what_is_distrusted_throws_it_away(
        self, folder: Path
    ) -> None:
        assert self.again(keep=False) is None
        assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
        assert not compiled.in_use()
        assert (folder / "one").exists()
        compiled.model_loaded()
        assert list(folder.iterdir()) == []
        assert str(folder) in (compiled.note() or "")

    def test_what_a_person_has_chosen_is_left(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/theirs")
        compiled.use("jax")
        assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/theirs"
        assert not compiled.in_use()
        assert not compiled.discard()
        assert (folder / "one").exists()


@pytest.mark.parametrize(
    ("flags", "after"),
    [
        (None, '--tf_xla_persistent_cache_directory="/a \\"b\\"/codegemma-ui/tensorflow"'),
        (
            "--tf_xla_auto_jit=2",
            '--tf_xla_persistent_cache_directory="/a \\"b\\"/codegemma-ui/tensorflow" --tf_xla_auto_jit=2',
        ),
        ("--tf_xla_persistent_cache_directory=/mine", "--tf_xla_persistent_cache_directory=/mine"),
        ("/a/file/of/flags", "/a/file/of/flags"),
    ],
)
def test_tensorflows_flags_are_quoted_and_a_persons_stay(
    flags: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path('/a "b"/codegemma-ui/tensorflow')
    monkeypatch.setattr(cache_folder, "usable", lambda *_: cache_folder.Usable(folder))
    monkeypatch.setenv("TF_XLA_FLAGS", flags or "")
    compiled.use("tensorflow")
    assert os.environ["TF_XLA_FLAGS"] == after


@needs_root
def test_tensorflow_loads_for_a_user_without_an_entry_or_a_home() -> None:
    """A container started with `--user`. The real model, since it is KerasHub that needs a home."""
    told = as_nobody(WORKER, str(presets.BUNDLED_FOLDER), TF_USE_LEGACY_KERAS="1")
    loaded = json.loads(told.splitlines()[-1])
    assert loaded["worker"] == "loaded", loaded
    named = f"/.cache/codegemma-ui/tensorflow/{compiled.processor()}: Permission denied"
    assert named in loaded["note"]


WORKER = """
import io, json, os, sys
from codegemma_ui.workers.keras import worker
def write(message):
    if message["worker"] in ("loaded", "failed"):
        print("\\n" + json.dumps(message), flush=True)
        os._exit(0)
worker.take_stdout = lambda: write
sys.argv[1:] = ["--preset", "bundled", "--folder", sys.argv[1], "--backend", "tensorflow",
                "--dtype", "float32", "--context-length", "512"]
class Quiet:
    def __init__(self, write): pass
worker.Inbox = Quiet
worker.main()
"""


def test_a_folder_that_cannot_be_used_is_named_by_the_worker() -> None:
    worker = Worker("jax", XDG_CACHE_HOME="/dev/null")
    try:
        loaded = worker.until("worker", "loaded", "failed")[-1]
        assert loaded["worker"] == "loaded", loaded
        named = f"/dev/null/codegemma-ui/jax/{compiled.processor()}: a file is where"
        assert named in loaded["note"]
        warm = worker.until("worker", "warm")[-1]
        assert warm["note"] == loaded["note"]
    finally:
        worker.process.kill()
