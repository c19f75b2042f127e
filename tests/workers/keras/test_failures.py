"""The explanation of a failed load is based on the library's error or on the files in the folder."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from codegemma_ui import presets
from codegemma_ui.errors import NotEnoughMemory
from codegemma_ui.workers.keras.failures import PRESET, READ_ON, of_preset, readable


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(presets.BUNDLED_FOLDER, tmp_path / "preset"))


@pytest.mark.parametrize(
    "error",
    [
        TypeError("Input 'y' of 'AddV2' Op has type float16 that does not match"),
        RecursionError("maximum recursion depth exceeded"),
        RuntimeError("Could not determine home directory."),
    ],
)
def test_a_librarys_own_failure_is_not_put_down_to_a_preset(error: Exception, copied: Path) -> None:
    assert of_preset(error, copied) is error
    told = readable(error, "load")
    assert str(error) in told.message
    assert (told.hint, told.code) == (READ_ON, "load_failed")


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        ("config.json", "there is no config.json"),
        ("class", "its config.json is of BertBackbone, not of GemmaBackbone"),
        ("list", "its config.json is of no KerasHub model"),
        ("*.weights.h5", "there are no weights"),
        ("**/vocabulary.spm", "there is no vocabulary.spm"),
    ],
)
def test_a_folder_that_is_no_gemmas_preset_is(lack: str, said: str, copied: Path) -> None:
    config = copied / "config.json"
    if lack == "class":
        config.write_text(json.dumps({"class_name": "BertBackbone"}))
    elif lack == "list":
        config.write_text("[]")
    else:
        for file in copied.glob(lack):
            file.unlink()
    told = readable(of_preset(ValueError("no"), copied), "load")
    assert said in told.message
    assert (told.hint, told.code) == (PRESET, "not_a_preset")


def test_a_damaged_file_is_named_with_its_folder(copied: Path) -> None:
    (copied / "task.json").write_text("{")
    told = readable(of_preset(ValueError("Expecting property name"), copied), "load")
    assert told.code == "corrupt_file"
    assert "task.json is not valid JSON" in told.message
    assert str(copied) in told.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("Unable to open file (errno = 13, error message = 'Permission denied')"), "user"),
        (PermissionError(errno.EACCES, "Permission denied", "/a b/c"), ", /a b/c."),
        (OSError(errno.ENOSPC, "No space left on device"), "Free some space"),
        (
            type("ResourceExhaustedError", (Exception,), {})("/c; No space left on device"),
            "Free some space",
        ),
    ],
)
def test_a_disk_and_its_permissions_are_neither_damage_nor_memory(
    error: Exception, hint: str, copied: Path
) -> None:
    told = readable(of_preset(error, copied), "load")
    assert hint in told.hint
    assert "memory" not in str(told)
    assert told.code == "load_failed"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_what_allocators_say_is_memory(error: Exception, copied: Path) -> None:
    assert isinstance(readable(of_preset(error, copied), "load"), NotEnoughMemory)


def test_a_variable_that_the_library_names_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    said = "Unable to initialize backend 'cuda' (set JAX_PLATFORMS='' to choose)"
    for doing in ("load", "run"):
        assert readable(RuntimeError(said), doing).hint.startswith("JAX_PLATFORMS is set")
    monkeypatch.delenv("JAX_PLATFORMS")
    assert readable(RuntimeError(said), "load").hint == READ_ON


def test_a_package_that_does_not_fit_is_not_called_missing() -> None:
    told = readable(ImportError("cannot import name 'x' from 'keras'"), "load")
    assert told.code == "backend_broken"
    assert "lacks" not in told.message
    assert "are compatible" in told.hint
