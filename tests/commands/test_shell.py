"""A command in a shell: readers that exit early, closed streams, and texts that look like flags."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui.commands import complete, main, shell
from codegemma_ui.ipc.messages import parse_request
from tests.commands.evaluate.own_tasks import make_task, write_dataset

ROOT = Path(__file__).parents[2]
READER_GONE = 141
SCRIPTED = "tests.support.scripted_shell"


def start(
    *arguments: str, module: str = "codegemma_ui", buffered: bool = True, **streams: int
) -> subprocess.Popen[bytes]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEGEMMA_UI", "KERAS", "PYTHONUNBUFFERED"))
    }
    if not buffered:
        clean["PYTHONUNBUFFERED"] = "1"
    given: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=clean | {"PYTHONPATH": str(ROOT)},
        **(given | streams),
    )


@pytest.fixture
def nobody() -> Iterator[int]:
    """Return a pipe whose reader has exited."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize(
    "arguments",
    [["presets"], ["presets", "--json"], ["doctor"], ["--help"], ["complete", "--help"]],
    ids=" ".join,
)
def test_a_reader_that_has_left_is_no_error(arguments: Sequence[str], nobody: int) -> None:
    process = start(*arguments, stdout=nobody)
    assert (process.wait(60), process.communicate()[1]) == (READER_GONE, b"")


@pytest.mark.parametrize("arguments", [["presets"], ["complete", "--help"]], ids=" ".join)
def test_nor_where_python_does_not_buffer(arguments: Sequence[str], nobody: int) -> None:
    process = start(*arguments, buffered=False, stdout=nobody)
    # argparse does not say that its help could not be written (Python 3.11, `_print_message`).
    expected = READER_GONE if arguments == ["presets"] else main.DONE
    assert (process.wait(60), process.communicate()[1]) == (expected, b"")


def test_one_that_leaves_in_the_middle_ends_the_worker_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    monkeypatch.setenv("SCRIPTED_WORKER", f"--journal {journal}")
    process = start("complete", "--prefix", "slow", "--suffix", "some text", module=SCRIPTED)
    assert process.stdout is not None
    assert process.stdout.read(5) == b"some "
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(30) == READER_GONE
    [asked, *_] = map(json.loads, journal.read_text().splitlines())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{asked['pid']}").exists():
        assert time.monotonic() < deadline, "its worker is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_evaluation_that_nobody_reads(stream: str, tmp_path: Path, nobody: int) -> None:
    dataset = write_dataset(tmp_path / "own.jsonl", [make_task(f"own/{n}") for n in range(3)])
    given = ("eval", "--dataset", str(dataset), "--results", str(tmp_path / "results.jsonl"))
    streams: dict[str, Any] = {stream: nobody}
    process = start(*given, "--backend", "jax", module=SCRIPTED, **streams)
    out, said = process.communicate(timeout=60)
    assert process.returncode == READER_GONE
    assert b"Traceback" not in (said or b"")
    assert b"Exception ignored" not in (said or b"")
    assert not out


def test_a_prefill_is_an_event_of_json_and_a_line_on_a_terminals_stderr() -> None:
    asked = ("complete", "--prefix", "prefill 0.01", "--suffix", "text", "--backend", "jax")
    out, said = start(*asked, "--json", module=SCRIPTED).communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines()]
    names = ["prompt", *["prefill"] * 4, "token", "done"]
    assert [event["event"] for event in events] == names
    assert events[2] == {"event": "prefill", "prefilled_tokens": 1, "total_tokens": 4}
    assert said == b""
    assert start(*asked, module=SCRIPTED).communicate(timeout=60) == (b"text", b"")
    terminal, theirs = os.openpty()
    process = start(*asked, module=SCRIPTED, stderr=theirs)
    out, _ = process.communicate(timeout=60)
    os.close(theirs)
    said = os.read(terminal, 4096)
    os.close(terminal)
    assert out == b"text"
    lines = [line.rstrip() for line in said.split(b"\r")]
    first = next(at for at, line in enumerate(lines) if line.startswith(b"Prefilling"))
    assert lines[first : first + 4] == [b"Prefilling: %d of 4 tokens" % done for done in range(4)]
    assert not any(lines[first + 4 :])  # it is removed


@pytest.mark.parametrize(("flags", "stops"), [([], True), (["--no-stop-on-repetition"], False)])
def test_the_shell_can_turn_off_the_stop_on_repetition(flags: list[str], stops: bool) -> None:
    parsed = main.parser().parse_args(["complete", *flags])
    assert parsed.stop_on_repetition is stops
    assert "stop_on_repetition" in complete._REQUEST_FIELDS


def test_the_shell_takes_stop_strings() -> None:
    parsed = main.parser().parse_args(["complete", "--one-line", "--stop", ";", "--stop", "END"])
    raw = {name: getattr(parsed, name) for name in complete._REQUEST_FIELDS}
    request = parse_request(raw, 512)
    assert (request.one_line, request.stop) == (True, (";", "END"))


def test_a_full_disk_is_told_in_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        process = start("presets", stdout=full.fileno())
        _, said = process.communicate(timeout=60)
    assert process.returncode == shell.CANNOT_WRITE
    assert said == b"error: The output cannot be written. Received: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        (">&-", "presets", main.DONE),
        (">&-", "complete --help", main.DONE),
        ("2>&-", "complete --max-length 3", main.BAD_INPUT),
        ("<&-", "complete --max-length 3 --prefix -", main.BAD_INPUT),
    ],
)
def test_closed_streams(closed: str, arguments: str, code: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"$0" -m codegemma_ui {arguments} {closed}', sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert done.stdout == ""  # what is meant for stderr is not written to it instead
    assert "Traceback" not in done.stderr


def said_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main.main(arguments)
    assert left.value.code == main.BAD_INPUT
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("complete", "--prefix", "--i"),
        ("complete", "--suffix", "-x"),
        ("complete", "--forced", "--json"),
        ("complete", "--path", "-h"),
        ("complete", "--prefix", "--"),
        ("eval", "--dataset", "--own.jsonl"),
        ("export", "--format", "gguf", "--out", "-out"),
        ("serve", "--host", "--port"),
    ],
    ids=" ".join,
)
def test_a_text_that_reads_as_a_flag(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    *_, flag, text = arguments
    assert said_of(capsys, *arguments) == (
        f"error: {flag} must have a value. Received: {text!r}, which looks like another flag. "
        f"If it is the value, write both as one word: {flag}={text}\n"
    )


def test_the_word_to_write_is_quoted_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, "complete", "--json", "--prefix", "--a;b'c")
    assert said.endswith("""one word: '--prefix=--a;b'"'"'c'\n""")


def test_a_flag_without_anything_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, "complete", "--prefix")
    assert said == "error: --prefix must have a value. Received: none.\n"


@pytest.mark.parametrize("text", ["--i", "--", "-", "-x", "--json", "-1", "--prefix=x"])
def test_one_word_is_taken_as_it_is(text: str) -> None:
    parser = shell.Parser()
    parser.add_argument("--prefix")
    assert parser.parse_args([f"--prefix={text}"]).prefix == text


@pytest.mark.parametrize("flags", [(), ("--quick", "--only", "engine-jax"), ("--help",)])
def test_bench_says_where_it_went_whatever_its_flags(
    flags: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_of(capsys, "bench", *flags) == (
        "error: The benchmark is not part of this package. "
        "Run it in a checkout of the repository: python -m benchmarks.speed\n"
    )


def test_what_else_argparse_says_has_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_of(capsys, "complete", "--seed", "x").startswith("usage: ")


def test_another_files_error_is_not_taken_for_the_outputs() -> None:
    def command() -> int:
        raise FileNotFoundError(2, "No such file", "x")

    with pytest.raises(FileNotFoundError):
        shell.run_quietly(command)


def test_a_commands_own_code_is_handed_on() -> None:
    assert shell.run_quietly(lambda: 7) == 7
    with pytest.raises(SystemExit):
        argparse.ArgumentParser().parse_args(["--unknown"])
    assert shell.run_quietly(lambda: sys.exit(130)) == 130
