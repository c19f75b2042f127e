"""The explanation of a process's exit is based only on evidence of its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegemma_ui.client import endings
from codegemma_ui.client.endings import EndedWhileLoading

XLA = """I0000 00:00:1795825677.141391    8026 port.cc:153] oneDNN custom operations are on.
F0000 00:00:1795825858.39 14354 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_no_such_flag=1
"""


def test_what_it_said_last_is_told_and_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_no_such_flag=1")
    died = EndedWhileLoading(-6, XLA)
    assert "exit code -6). It was ended by SIGABRT." in died.message
    assert "last output: Unknown flag in XLA_FLAGS: --xla_no_such_flag=1." in died.message
    assert died.hint.startswith("XLA_FLAGS is set in the environment")
    assert died.explained


def test_a_variable_that_is_not_set_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    died = EndedWhileLoading(1, XLA)
    assert died.hint == "See the log for the rest of its output."
    assert not died.explained


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("terminate called after throwing an instance of 'std::x'\n", "terminate called after"),
        ("Traceback:\n  File a\nValueError: no such thing\nbye\n", "ValueError: no such thing"),
        ("Fatal Python error: Segmentation fault\n\nThread 0x1:\n", "Fatal Python error: Seg"),
        ("all is well\n", ""),
        ("", ""),
    ],
)
def test_the_last_line_that_speaks_of_an_end(stderr: str, said: str) -> None:
    assert endings.last_line(stderr).startswith(said)
    assert bool(endings.last_line(stderr)) == bool(said)


def test_no_secret_and_no_long_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    said = endings.last_line(f"ValueError: hf_secretsecret {'x' * 1000}")
    assert "secret" not in said
    assert len(said) == 300


class TestAKill:
    """Signal 9, which may come from the out-of-memory killer or from a person."""

    def test_alone_is_no_sign_of_memory(self) -> None:
        died = EndedWhileLoading(-9, need_bytes=10, free_bytes=100)
        assert "memory" not in str(died).lower()
        assert "SIGKILL" in died.message

    def test_that_the_system_counted_is(self) -> None:
        died = EndedWhileLoading(-9, killed_for_memory=True)
        assert "because memory ran out" in died.hint

    def test_names_what_would_need_less(self) -> None:
        said = "Choose the precision bfloat16 or close other programs."
        died = EndedWhileLoading(-9, killed_for_memory=True, needs_less=said)
        assert died.hint == f"The system killed it because memory ran out. {said}"

    def test_of_a_model_that_nearly_fills_it_likely_is(self) -> None:
        died = EndedWhileLoading(-9, need_bytes=9 * 10**9, free_bytes=10**10)
        assert "about 9.0 GB of the 10.0 GB that were free" in died.hint
        assert "likely" in died.hint

    def test_is_a_kill(self) -> None:
        died = EndedWhileLoading(-6, killed_for_memory=True, need_bytes=10, free_bytes=10)
        assert "memory" not in str(died).lower()


def test_signals_that_a_program_brings_on_itself() -> None:
    codes = {-11: True, -7: True, -4: True, -6: True, -9: False, -15: False, 1: False, 0: False}
    assert {code: endings.is_a_programs_own(code) for code in codes} == codes
    assert endings.signal_of(-999) is None


def test_kills_are_read_where_the_system_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/vmstat": "pgfault 1\noom_kill 3\n"}

    def read(path: Path, encoding: str) -> str:
        try:
            return files[str(path)]
        except KeyError:
            raise FileNotFoundError from None

    monkeypatch.setattr(Path, "read_text", read)
    assert endings.oom_kills() == 3
    files["/sys/fs/cgroup/memory.events"] = "oom 9\noom_kill 1\noom_group_kill 0\n"
    assert endings.oom_kills() == 1
    files.clear()
    assert endings.oom_kills() is None
