"""The command line, with the real engine and the bundled model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.hubs import HuggingFaceHub, isolated_environment

ROOT = Path(__file__).parents[2]
DONE, ENGINE_ERROR, BAD_INPUT, CANCELLED = 0, 1, 2, 130


def run(*arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEGEMMA_UI", "KERAS", "KAGGLE", "HF_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "codegemma_ui", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env=clean | environ,
        timeout=300,
    )


def events(done: subprocess.CompletedProcess[bytes]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_complete_streams_events_that_hold_the_contract(backend: str) -> None:
    prefix, suffix = "import ", '\n\nif __name__ == "__main__":\n    sys.exit(0)\n'
    done = run("complete", "--json", "--prefix", prefix, "--suffix", suffix, "--backend", backend)
    assert done.returncode == DONE, done.stderr.decode()
    first, *tokens, last = (event for event in events(done) if event["event"] != "prefill")
    assert first["event"] == "prompt"
    assert first["prompt"] == f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
    assert (first["max_length"], first["trimmed_prefix_tokens"]) == (128, 0)
    assert [token["index"] for token in tokens] == list(range(len(tokens)))
    assert last["event"] == "done"
    assert last["token_ids"] == [token["id"] for token in tokens]
    assert last["completion_tokens"] == len(tokens)
    assert last["middle"] == "".join(token["text"] for token in tokens)
    assert last["program"] == prefix + last["middle"] + suffix
    assert last["stop_reason"] == "stop_token"
    assert last["raw_output"] == last["middle"] + last["stop_token"]
    assert (last["backend"], last["dtype"], last["preset"]) == (backend, "float32", "bundled")
    for token in tokens:
        alternatives = [each["logprob"] for each in token["alternatives"]]
        assert len(alternatives) == 5
        assert alternatives == sorted(alternatives, reverse=True)
        assert token["logprob"] == alternatives[0] <= 0  # greedy takes the likeliest


def test_bytes_pass_unchanged_from_files_and_stdin(tmp_path: Path) -> None:
    mark = "\ufeff"
    prefix = f"{mark}# 한글 😀 \u2581\r\n\tdef f(a):  \r\n\t\treturn ".encode()
    suffix = b"\r\n\r\n\r\n\tx = '<|fim_middle|>'   \n\n"
    (tmp_path / "suffix").write_bytes(mark.encode() + suffix)
    (tmp_path / "other").write_text(f"{mark}A = 1\n")
    arguments = ["--prefix", "-", "--suffix-file", str(tmp_path / "suffix"), "--backend", "jax"]
    arguments += ["--context-file", str(tmp_path / "other"), "--forced", "\u2581a"]
    done = run("complete", *arguments, "--json", stdin=prefix)
    first, *_, last = events(done)
    assert last["program"].encode() == prefix + last["middle"].encode() + suffix
    assert mark not in first["prompt"]
    assert last["middle"].startswith("\u2581a")
    plain = run("complete", *arguments, stdin=prefix)
    assert plain.stdout == last["middle"].encode()


def test_a_seed_repeats_a_sample() -> None:
    settings = ("--temperature", "1.5", "--seed", "7", "--backend", "jax", "--max-length", "48")
    first, second = (run("complete", "--prefix", "def ", *settings).stdout for _ in range(2))
    assert first == second
    assert first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-length", "31"], "max_length must be a whole number from 32 to 1024"),
        (["--backend", "theano"], "must be one of tensorflow, jax, torch"),
        (["--preset", "gpt"], "A preset is a name of the table"),
        (["--preset", "hf://x"], "Received: 'hf://x', from --preset. The command"),
        (["--prefix-file", "/nonexistent"], "must be a readable file"),
        (["--prefix", "-", "--suffix", "-"], "Only one side can be read from stdin"),
        (["--temperature", "nan"], "temperature must be a number"),
        (["--prefix", "a", "--prefix-file", "b"], "not allowed with"),
    ],
)
def test_bad_input_is_exit_code_2(arguments: list[str], said: str) -> None:
    done = run("complete", *arguments)
    assert done.returncode == BAD_INPUT
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_preset_that_cannot_load_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = run("complete", "--preset", str(tmp_path), "--json", "--backend", "jax")
    assert done.returncode == ENGINE_ERROR
    assert events(done)[-1]["event"] == "error"
    assert "vocabulary.spm" in events(done)[-1]["message"]


def test_a_failure_to_load_is_told_once_and_in_words(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = run("complete", "--preset", str(tmp_path), "--backend", "jax")
    assert done.returncode == ENGINE_ERROR
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"error: {tmp_path.name} is not a fill-in-the-middle preset.")


def test_a_failed_download_is_told_once_and_in_words(tmp_path: Path) -> None:
    with HuggingFaceHub(tmp_path, "hf://owner/model") as hub:
        environ: dict[str, Any] = {**isolated_environment(tmp_path, hub)}
        done = run("complete", "--preset", "hf://no/such", "--backend", "jax", **environ)
    assert done.returncode == ENGINE_ERROR
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: Hugging Face has no such preset.")


def test_ctrl_c_while_generating_is_exit_code_130() -> None:
    # Sampled at a high temperature, so that it runs long enough to be interrupted.
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "codegemma_ui", "complete", "--json", "--backend", "jax"),
            *("--max-length", "512", "--temperature", "3", "--seed", "1"),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "token":
            break
    process.send_signal(signal.SIGINT)
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(30) == CANCELLED
    assert rest[-1]["event"] == "cancelled"
    assert 0 < rest[-1]["completion_tokens"] < 500


def test_presets_lists_the_table() -> None:
    rows = json.loads(run("presets", "--json").stdout)
    assert [row["name"] for row in rows][:2] == ["bundled", "code_gemma_2b_en"]
    assert rows[1]["handle"] == "kaggle://keras/codegemma/keras/code_gemma_2b_en/2"
    text = run("presets").stdout.decode()
    assert "code_gemma_7b_en" in text
    for row in rows:
        assert list(row["memory_bytes"]) == ["float32", "bfloat16", "float16", "int8"]
    assert f"memory float32 {rows[1]['memory_bytes']['float32'] / 1e9:.1f} GB" in text


def test_presets_may_be_asked_for_one() -> None:
    (row,) = json.loads(run("presets", "--json", "--preset", "code_gemma_7b_en").stdout)
    assert row["name"] == "code_gemma_7b_en"
    done = run("presets", "--preset", "nonsense")
    assert done.returncode == 2
    assert b"Received: 'nonsense'" in done.stderr


def test_doctor_may_be_asked_for_one() -> None:
    report = json.loads(run("doctor", "--json", "--preset", "code_gemma_7b_en").stdout)
    (row,) = report["presets"]
    assert row["name"] == "code_gemma_7b_en"
    assert list(row["memory_bytes"]) == ["float32", "bfloat16", "float16", "int8"]


@pytest.mark.parametrize("command", ["doctor", "presets"])
@pytest.mark.parametrize("variable", ["CODEGEMMA_UI_BACKEND", "KERAS_BACKEND"])
def test_a_backend_that_does_not_exist_is_refused_by_every_command(
    command: str, variable: str
) -> None:
    environ: dict[str, Any] = {variable: "mxnet"}
    done = run(command, **environ)
    assert done.returncode == BAD_INPUT
    assert f"Received: 'mxnet', from {variable}" in done.stderr.decode()


def test_doctor_runs_where_the_chosen_backend_lacks_its_server() -> None:
    report = json.loads(run("doctor", "--json", CODEGEMMA_UI_BACKEND="openai").stdout)
    assert report["server"] is None
    report = json.loads(run("doctor", "--json", CODEGEMMA_UI_BACKEND="jax").stdout)
    assert {row["backend"] for row in report["presets"]} == {"jax"}


def test_doctor_tells_what_is_missing_and_no_secret(tmp_path: Path) -> None:
    environ: dict[str, Any] = {"HOME": str(tmp_path)}
    report = json.loads(run("doctor", "--json", **environ).stdout)
    missing = {preset["name"]: preset["missing"] for preset in report["presets"]}
    assert missing["bundled"] == []
    assert "Kaggle key" in missing["code_gemma_2b_en"][0]
    fits = {preset["name"]: preset["fits"] for preset in report["presets"]}
    assert fits["bundled"] == ["float32", "bfloat16", "float16", "int8"]
    assert [backend["name"] for backend in report["backends"]] == ["tensorflow", "jax", "torch"]
    secrets: dict[str, Any] = {
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": "hush-hush",
        "HF_TOKEN": "hf_hush",
    }
    done = run("doctor", **environ, **secrets)
    assert b"credentials present" in done.stdout
    assert b"hush" not in done.stdout + done.stderr
