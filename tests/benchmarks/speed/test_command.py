"""The benchmark command end to end: bad input, a small run with the engine and llama.cpp, Ctrl+C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.speed import __main__ as speed
from benchmarks.speed import subjects, surroundings, weights
from benchmarks.speed.bandwidth import large_bytes
from codegemma_ui import machine
from tests.support.documentation import every_page

ROOT = Path(__file__).parents[3]
README = (ROOT / "benchmarks" / "README.md").read_text()
DONE, ENGINE_ERROR, BAD_INPUT, CANCELLED = 0, 1, 2, 130

ENGINE, PEER = "engine-jax-float32", "llama.cpp-q8_0"
HAS_PEER = all(map(surroundings.version, ("xllamacpp", "gguf")))


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.speed", *flags]


def run(*flags: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(*flags), capture_output=True, text=True, cwd=cwd, env=environ, timeout=300
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--only", "vllm"], "--only takes names, or how they begin, of: engine-jax-float32, "),
        (["--rounds", "0"], "--rounds must be a whole number from 1 up. Received: 0"),
        (["--threads", "4096"], "the number of cores. Received: 4096"),
        (["--preset", "gpt"], "A preset is a name of the table"),
        (
            ["--only", "--engine"],
            "--only must have a value. Received: '--engine', which looks like",
        ),
    ],
)
def test_bad_input_is_exit_code_2(flags: list[str], said: str) -> None:
    done = run(*flags)
    assert done.returncode == BAD_INPUT
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(bool(machine.gpus()), reason="there is a card")
def test_cuda_without_a_card_says_what_it_needs() -> None:
    done = run("--device", "cuda")
    assert done.returncode == BAD_INPUT
    assert "an NVIDIA card that nvidia-smi lists, the CUDA builds of jax and torch" in done.stderr


def test_a_card_without_cuda_builds_is_rows_that_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if machine.gpus():
        pytest.skip("there is a real card")
    pretended = tmp_path / "nvidia-smi"
    pretended.write_text("#!/bin/sh\necho 'NVIDIA Pretend, 24576, 24000'\n")
    pretended.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = run("--quick", "--json", "--only", "engine-jax-bfloat16", cwd=tmp_path)
    assert done.returncode == ENGINE_ERROR
    found = json.loads(done.stdout)
    assert found["settings"]["device"] == "cuda"
    (row,) = found["rows"]
    assert "jax finds no CUDA card: install its CUDA build" in row["error"]
    assert "the memory's bandwidth could not be measured: torch finds no CUDA card" in done.stderr


def test_the_runner_imports_no_framework() -> None:
    script = (
        "import sys\n"
        "import benchmarks.speed.__main__\n"
        "heavy = {'keras', 'keras_nlp', 'tensorflow', 'jax', 'torch', 'transformers', 'xllamacpp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of this file's runs; an export made by one run is used by the next."""
    return tmp_path_factory.mktemp("bench")


def test_a_small_run_measures_the_engine_and_its_peer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = [PEER] if HAS_PEER else []
    done = run("--quick", "--json", "--only", ENGINE, *peers, "--out", "kept", cwd=folder)
    assert done.returncode == DONE, done.stderr
    found = json.loads(done.stdout)
    assert [row["name"] for row in found["rows"]] == [ENGINE, *peers]
    for row in found["rows"]:
        assert row["error"] is None
        assert row["parameters"] == found["model"]["parameters"]
        assert row["tokens_per_s"]["median"] > 1
        assert 0 < row["first_token_s"]["22"]["median"] < row["whole_s"]["16"]["median"] < 60
        assert row["peak_bytes"]["median"] > row["weight_bytes"]
        assert row["share_of_memory"]["median"] > 0
    ours = found["rows"][0]
    assert ours["weight_bytes"] == 4 * found["model"]["parameters"]
    assert ours["same_tokens"]["same"] == ours["same_tokens"]["compared"] > 50
    for comparison in found["comparisons"]:
        assert comparison["same_tokens"], comparison
    assert found["bandwidth"]["rates"][0]["bytes_per_s"]["median"] > 1e8
    assert found["bandwidth"]["rates"][0]["array_bytes"] == pytest.approx(large_bytes(), rel=0.5)
    assert ["everything on a CUDA card" in one["subject"] for one in found["skipped"]] == [True]

    if peers:
        peer = found["rows"][1]
        assert peer["weight_bytes"] < 1.1 * found["model"]["parameters"]  # 8.5 bits a weight
        assert peer["same_tokens"]["same"] > 0.5 * peer["same_tokens"]["compared"] > 5
        assert [one["layout"] for one in found["typing"]] == ["psm", "spm"]
        # The export is reused: nothing is written a second time.
        monkeypatch.chdir(folder)
        said: list[str] = []
        model = weights.of_preset("bundled", said.append)
        assert any(weights.exported(model, "gguf", "q8_0", said.append).glob("*.gguf"))
        assert said == []

    kept = json.loads((folder / "kept" / "results.json").read_text())
    assert kept == found
    assert "quick run" in (folder / "kept" / "results.md").read_text()
    assert (folder / "kept" / "plot.png").exists() == bool(surroundings.version("matplotlib"))


@pytest.mark.skipif(
    not all(map(surroundings.version, ("transformers", "safetensors"))),
    reason="needs the extra bench",
)
def test_keras_hub_and_transformers_write_the_same_tokens(folder: Path) -> None:
    names = ["kerashub-jax-float32", "transformers-lookup-float32"]
    done = run("--quick", "--json", "--only", *names, cwd=folder)
    assert done.returncode == DONE, done.stderr
    hub, drafting = json.loads(done.stdout)["rows"]
    for row in (hub, drafting):
        assert row["same_tokens"]["reference"] == "kerashub-jax-float32"
        assert row["same_tokens"]["same"] == row["same_tokens"]["compared"] > 50
        assert row["tokens_per_s"]["median"] > 1
    # One returns all tokens at the end, the other several at a time, so their prefill is not reported.
    assert hub["first_token_s"]["200"] == hub["whole_s"]["16"]
    assert hub["inter_token_p50_s"] is None
    assert hub["compile_s"]["median"] > 0.5
    assert drafting["first_token_s"]["200"]["median"] < drafting["whole_s"]["16"]["median"]
    assert drafting["weight_bytes_per_s"] is None


@pytest.mark.skipif(not HAS_PEER, reason="needs the extra bench")
def test_ctrl_c_reports_what_was_measured(folder: Path) -> None:
    process = subprocess.Popen(
        command("--quick", "--rounds", "99", "--json", "--only", PEER),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # A shell ignores SIGINT in background processes, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("round 1/99"):
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == CANCELLED, stderr
    found = json.loads(stdout)
    assert found["interrupted"]
    assert found["rows"][0]["tokens_per_s"]["median"] > 1


def test_what_is_not_installed_is_skipped_with_its_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surroundings, "version", lambda package: None)
    chosen = subjects.chosen(["llama.cpp"], "cpu")
    present, skipped = speed._present(chosen, "cpu", {})
    assert present == []
    assert [one["subject"] for one in skipped[:-1]] == [subject.name for subject in chosen]
    needs = {one["subject"]: one["needs"] for one in skipped[:-1]}
    assert needs["llama.cpp-f16"] == 'pip install -e ".[bench]"'
    assert needs["llama.cpp-native-f16"].startswith("CMAKE_ARGS=-DGGML_NATIVE=on pip install")


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["engine-jax"], [f"engine-jax-{one}" for one in ("float32", "bfloat16", "int8")]),
        (
            ["*-q8_0", "worker-torch-int8"],
            ["worker-torch-int8", "llama.cpp-q8_0", "llama.cpp-native-q8_0"],
        ),
        (
            ["kerashub-*-bfloat16"],
            [f"kerashub-{one}-bfloat16" for one in ("jax", "tensorflow", "torch")],
        ),
    ],
)
def test_subjects_are_chosen_by_name_beginning_or_pattern(only: list[str], names: list) -> None:
    assert [subject.name for subject in subjects.chosen(only, "cpu")] == names


def test_every_subject_is_named_once_and_has_a_module() -> None:
    assert len({subject.name for subject in subjects.SUBJECTS}) == len(subjects.SUBJECTS)
    folder = ROOT / "benchmarks" / "speed" / "engine"
    for subject in subjects.SUBJECTS:
        ours = subject.family in ("worker", "http")
        assert ours or (folder / f"{subject.module}.py").is_file()
        assert not subject.peer or subjects.named(subject.peer).family == "llama.cpp"


def test_every_flag_and_subject_that_a_page_names_is_there() -> None:
    helped = run("--help").stdout
    flags = re.findall(r"(?<![\w-])--[a-z][a-z-]*", README)
    lines = re.findall(r"python -m\s+benchmarks\.speed([^\n`]*)", every_page())
    assert len(lines) > 3
    flags += re.findall(r"(?<!\S)--[a-z-]+", " ".join(lines))
    assert [flag for flag in flags if flag not in helped] == []
    for line in re.findall(r"^python .*--only ([^\n#]+)", README, re.MULTILINE):
        names = [name.strip("'") for name in line.split(" --")[0].split()]
        assert subjects.chosen(names, "cuda")
