"""`python -m codegemma_ui export`, run as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from codegemma_ui import presets
from codegemma_ui.commands.export import folder
from codegemma_ui.commands.export.folder import Origin
from tests.support import ROOT
from tests.support.hubs import Faults, KaggleHub, isolated_environment

DONE, ENGINE_ERROR, BAD_INPUT = 0, 1, 2
MAIN = "import sys; sys.modules[sys.argv.pop(1)] = None; from codegemma_ui.commands.main import main; main()"


def run(
    *arguments: object, environment: dict[str, str] | None = None, without: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command, optionally with a module missing."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEGEMMA_UI", "KERAS", "KAGGLE", "HF_"))
    }
    start = ["-m", "codegemma_ui"] if without is None else ["-c", MAIN, without]
    return subprocess.run(
        [sys.executable, *start, "export", *map(str, arguments)],
        cwd=ROOT,
        env=environment or clean,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_it_says_what_it_wrote_as_one_object(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("--format", "gguf", "--dtype", "q8_0", "--out", out, "--json")
    assert done.returncode == DONE, done.stderr
    report = json.loads(done.stdout)
    file = out / "fim_small-Q8_0.gguf"
    assert report["files"] == [{"path": str(file), "bytes": file.stat().st_size}]
    bundled = presets.bundled()
    assert (report["preset"], report["format"], report["dtype"]) == ("bundled", "gguf", "q8_0")
    assert (report["parameters"], report["context_length"]) == (
        bundled.parameters,
        bundled.context_length,
    )
    assert report["seconds"] > 0
    assert "bundled: loading with tensorflow" in done.stderr
    assert "bundled: writing 100%" in done.stderr
    assert all(line.startswith("bundled: ") for line in done.stderr.splitlines()), done.stderr


def test_it_says_what_it_wrote_to_a_person(tmp_path: Path) -> None:
    done = run("--format", "transformers", "--out", tmp_path, "--backend", "torch")
    assert done.returncode == DONE, done.stderr
    lines = [line.rsplit(" bytes  ", 1) for line in done.stdout.splitlines()]
    written = {path: int(size.replace(",", "")) for size, path in lines}
    files = {str(file): file.stat().st_size for file in tmp_path.iterdir()}
    del files[str(tmp_path / "export.json")]
    assert written == files
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1


def test_a_preset_that_is_not_here_is_downloaded_first(tmp_path: Path) -> None:
    name, out = "code_gemma_2b_en", tmp_path / "out"
    given = ("--preset", name, "--format", "gguf", "--out", out, "--backend", "jax")
    with KaggleHub(presets.BUNDLED_FOLDER) as hub:
        done = run(*given, environment=isolated_environment(tmp_path, hub))
    assert done.returncode == DONE, done.stderr
    (file,) = out.glob("*.gguf")
    assert file.name.startswith(f"{name}-")
    assert f"{name}: downloading 100%" in done.stderr
    assert presets.GEMMA_TERMS in done.stderr


def test_a_download_that_fails_says_what_to_do(tmp_path: Path) -> None:
    given = ("--preset", "code_gemma_2b_en", "--format", "gguf", "--out", tmp_path / "out")
    with KaggleHub(presets.BUNDLED_FOLDER, faults=Faults(requires_credentials=True)) as hub:
        done = run(*given, environment=isolated_environment(tmp_path, hub))
    assert done.returncode == ENGINE_ERROR
    assert "KAGGLE_API_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: --format, --out"),
        (["--format", "onnx", "--out", "OUT"], "invalid choice: 'onnx'"),
        (["--format", "gguf", "--out", "OUT", "--dtype", "int4"], "invalid choice: 'int4'"),
        (
            ["--format", "transformers", "--out", "OUT", "--dtype", "q8_0"],
            "--dtype for transformers must be one of float32, float16, bfloat16. Received: 'q8_0'",
        ),
        (
            ["--format", "transformers", "--out", "OUT", "--dtype", "q4_0"],
            "--dtype for transformers must be one of float32, float16, bfloat16. Received: 'q4_0'",
        ),
        (["--format", "gguf", "--out", "OUT", "--preset", "gpt"], "A preset is a name of the"),
        (["--format", "gguf", "--out", "OUT", "--backend", "theano"], "must be one of tensorflow"),
        (["--format", "gguf", "--out", "README.md"], "--out must be a folder"),
        (["--format", "gguf", "--out", "tests"], "--out must be a new or empty folder"),
        (
            ["--format", "gguf", "--out", "README.md/out"],
            "--out must be a writable folder",
        ),
        (["--format", "gguf", "--out", "/proc/out"], "--out must be a writable folder"),
    ],
)
def test_bad_input_is_exit_code_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    out = tmp_path / "out"
    done = run(*(str(out) if argument == "OUT" else argument for argument in arguments))
    assert done.returncode == BAD_INPUT
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "loading" not in done.stderr
    assert done.stdout == ""
    assert not out.exists()


def test_another_export_in_its_place_is_refused_before_loading(tmp_path: Path) -> None:
    folder.write(tmp_path, Origin("bundled", "transformers", "float32"), 10, lambda place: None)
    done = run("--format", "gguf", "--out", tmp_path)
    assert done.returncode == BAD_INPUT
    assert "--out must not contain another export" in done.stderr
    assert "loading" not in done.stderr


@pytest.mark.parametrize(
    ("form", "library"),
    [("gguf", "gguf"), ("transformers", "tokenizers")],
)
def test_a_missing_library_is_told_with_the_pip_line(
    tmp_path: Path, form: str, library: str
) -> None:
    done = run("--format", form, "--out", tmp_path / "out", without=library)
    assert done.returncode == ENGINE_ERROR
    assert f"needs the package {library}" in done.stderr
    assert 'pip install -e ".[bench]"' in done.stderr
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = project["project"]["optional-dependencies"]["bench"]
    assert sum(one.startswith(library) for one in needed) == 1


def test_a_preset_that_cannot_be_loaded_is_exit_code_1(tmp_path: Path) -> None:
    preset = tmp_path / "preset"
    preset.mkdir()
    (preset / "config.json").write_text("{}")
    done = run("--preset", preset, "--format", "gguf", "--out", tmp_path / "out")
    assert done.returncode == ENGINE_ERROR
    assert "vocabulary.spm" in done.stderr
    assert "Traceback" not in done.stderr
