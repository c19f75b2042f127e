"""Results of a call on a card: kept after each step, resumed, put off when the time is up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from tools.gpu import results
from tools.gpu.results import Results


def test_a_step_is_run_once_and_one_that_failed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []

    def work() -> dict[str, float]:
        runs.append("work")
        return {"decode_tok_s": 1234.5}

    def broken() -> dict[str, float]:
        runs.append("broken")
        raise RuntimeError("CUDA out of memory")

    calls = [Results(tmp_path / "out", "speed")]
    calls[0].run("2b", work)
    calls[0].run("7b", broken)
    calls.append(Results(tmp_path / "out", "speed"))
    calls[1].run("2b", work)
    calls[1].run("7b", broken)
    assert runs == ["work", "broken", "broken"]
    kept = json.loads(calls[0].path.read_text())
    assert kept["2b"]["decode_tok_s"] == 1234.5
    assert kept["7b"]["error"] == "RuntimeError: CUDA out of memory"
    assert list(json.loads(calls[1].path.read_text())) == ["7b"]
    assert "2b: decode_tok_s 1,234" in capsys.readouterr().out


def test_what_was_not_right_or_is_wanted_anew_is_run_again(tmp_path: Path) -> None:
    runs = []

    def work(name: str, right: bool) -> dict[str, bool]:
        runs.append(name)
        return {"right": right}

    for _ in range(2):
        call = Results(tmp_path, "correctness")
        call.run("right", lambda: work("right", True))
        call.run("wrong", lambda: work("wrong", False))
        call.run("card", lambda: work("card", True), anew=True)
        assert call.lacking == []
    assert runs == ["right", "wrong", "card", "wrong", "card"]


def test_what_does_not_fit_into_the_call_is_put_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Results(tmp_path, "speed", seconds=10)
    call.run("long", lambda: pytest.fail("it was begun"), needs_s=60)
    assert not call.done("long")
    assert call.lacking == ["long"]
    assert "long: put off" in capsys.readouterr().out


def test_no_call_overwrites_what_another_has_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls that bring nothing along from one another; what comes back is gathered in one folder."""
    gathered = tmp_path / "gathered"
    gathered.mkdir()
    for number in range(2):
        began = datetime(2026, 11, 30, 14, 5 * number, tzinfo=UTC)
        monkeypatch.setattr(results, "datetime", Mock(now=lambda _, began=began: began))
        call = Results(tmp_path / f"out-{number}", "speed-7b-jax-bfloat16")
        call.run("card", partial(dict, copy_gb_s=4000.0 + number))
        call.run(f"prompt {number}", lambda: {"decode_tok_s": 100.0})
        call.path.rename(gathered / call.path.name)
    assert [path.name for path in sorted(gathered.iterdir())] == [
        "speed-7b-jax-bfloat16-20261130T140000Z.json",
        "speed-7b-jax-bfloat16-20261130T140500Z.json",
    ]
    Results(tmp_path, "speed-7b-jax").run("card", lambda: {"copy_gb_s": 1.0})  # another name
    after = Results(tmp_path / "out", "speed-7b-jax-bfloat16", before=gathered)
    assert after.steps.keys() == {"card", "prompt 0", "prompt 1"}
    assert after.steps["card"]["copy_gb_s"] == 4001.0


def test_two_calls_in_one_second_have_files_of_their_own(tmp_path: Path) -> None:
    for number in range(3):
        Results(tmp_path, "speed").run(f"step {number}", lambda: {"first_ms": 1.0})
    assert len(list(tmp_path.glob("speed-*.json"))) == 3
    assert Results(tmp_path, "speed").steps.keys() == {"step 0", "step 1", "step 2"}
