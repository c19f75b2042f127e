"""Steps report what they find, wrong tokens and crashes too. The worker is scripted here."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from codegemma_ui import machine
from tools.gpu import correctness
from tools.gpu.correctness import Plan, Step, run, steps
from tools.gpu.results import CALL_S
from tools.gpu.worker import Engine, TooLate, Worker

SCRIPTED = "tests.support.scripted_worker"


def plan(folder: Path, *scripts: str) -> Plan:
    """Return a plan whose prefixes are the scripts of `tests/support/scripted_worker.py`."""
    return Plan(folder, [(script, "x") for script in scripts], 64, 0.0, module=SCRIPTED)


def ran(of: Plan, backend: str, *names: str) -> tuple[list[str], dict[str, Any]]:
    """Return which steps are not right, and all figures."""
    every = [step for step in steps(of, backend) if step.name in names]
    assert len(every) == len(names)
    wrong = run(of, backend, every, CALL_S)
    return wrong, found(of.folder, backend)


def found(folder: Path, backend: str) -> dict[str, Any]:
    """Return the figures of the last call."""
    *_, last = sorted(folder.glob(f"correctness-{backend}-*.json"))
    figures: dict[str, Any] = json.loads(last.read_text())
    return figures


def kept(of: Plan, backend: str) -> Path:
    """Return the file with the tokens of the CPU."""
    (file,) = of.folder.glob(f"cpu-{backend}-*.json")
    return file


def change_first_token(file: Path, **values: Any) -> None:
    lines = json.loads(file.read_text())
    lines[0][0].update(values)
    file.write_text(json.dumps(lines))


def test_equal_tokens_are_right(tmp_path: Path) -> None:
    of = plan(tmp_path, "echo", "one", "two")
    wrong, got = ran(of, "torch", "cpu_torch", "float32_torch")
    assert wrong == []
    figures = got["float32_torch"]
    assert (figures["device"], figures["prompts"], figures["equal"]) == ("CPU", 3, 3)
    assert (figures["difference_nats"], figures["compiled"]) == (0, False)


@pytest.mark.parametrize("values", [{"id": 7}, {"logprob": -0.4}], ids=["token", "logprob"])
def test_a_difference_is_reported(tmp_path: Path, values: dict[str, Any]) -> None:
    of = plan(tmp_path, "echo", "one")
    assert ran(of, "jax", "cpu_jax")[0] == []
    change_first_token(kept(of, "jax"), **values)
    wrong, got = ran(of, "jax", "float32_jax", "two_jax")
    assert wrong == ["float32_jax", "two_jax"]
    assert got["float32_jax"]["equal"] == (1 if "id" in values else 2)


def test_half_precision_far_from_float32_is_reported(tmp_path: Path) -> None:
    of = plan(tmp_path, "echo")
    ran(of, "jax", "cpu_jax")
    change_first_token(kept(of, "jax"), logprob=-3.0)
    wrong, got = ran(of, "jax", "bfloat16_jax")
    assert wrong == ["bfloat16_jax"]
    assert got["bfloat16_jax"]["first_difference_nats"] == 2.5


def test_memory_that_runs_out_has_to_be_said(tmp_path: Path) -> None:
    wrong, got = ran(plan(tmp_path / "said", "oom"), "jax", "long_cache_jax")
    assert wrong == []
    figures = got["long_cache_jax"]
    assert (figures["refused"], figures["equal_afterwards"]) == (True, 1)
    assert figures["says"].startswith("There was not enough memory.")
    wrong, got = ran(plan(tmp_path / "unsaid", "echo"), "jax", "long_cache_jax")
    assert wrong == ["long_cache_jax"]
    assert not got["long_cache_jax"]["refused"]


def test_a_worker_that_dies_is_an_error(tmp_path: Path) -> None:
    wrong, got = ran(plan(tmp_path, "crash"), "jax", "cpu_jax")
    assert wrong == ["cpu_jax"]
    assert "exit code 3. the last words of a worker" in got["cpu_jax"]["error"]


def test_a_card_that_is_not_found_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: (machine.Gpu("A card", 2**34, 2**34),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    wrong, got = ran(plan(tmp_path, "echo"), "jax", "float32_jax")
    assert wrong == ["float32_jax"]
    assert got["float32_jax"]["error"] == "NoCard: nvidia-smi lists A card. Received: CPU"


class TestWhatHangs:
    def test_a_step_ends_by_its_limit_and_the_next_one_runs(self, tmp_path: Path) -> None:
        good = plan(tmp_path, "echo", "one")
        assert ran(good, "jax", "cpu_jax")[0] == []
        hung = replace(good, snippets=[("echo", "x"), ("hang", "x")], patience=0.05)
        every = [
            Step("hung", 60, partial(correctness.float32, hung, "jax")),
            Step("two", 60, partial(correctness.two, hung, ("jax", "jax"))),
            *(step for step in steps(good, "jax") if step.name == "float32_jax"),
        ]
        before, begun = children(), time.monotonic()
        assert run(hung, "jax", every, CALL_S) == ["hung", "two"]
        assert time.monotonic() - begun < 3 * 0.05 * 60 + 10
        figures = found(tmp_path, "jax")
        for name in ("hung", "two"):
            error = "TooLate: killed after 3 s, the limit of this step. The worker was still completing."
            assert figures[name]["error"].startswith(error)
        assert figures["float32_jax"]["right"]
        assert children() <= before

    @pytest.mark.parametrize("load_s", ["100", "5"], ids=["silent", "tells its progress"])
    def test_a_start_ends_by_its_limit(self, load_s: str) -> None:
        engine = Engine(backend="jax", module=SCRIPTED, flags=("--load-s", load_s))
        before = children()
        with pytest.raises(TooLate, match="The worker was still starting"):
            Worker(engine, time.monotonic() + 1.5)
        assert children() <= before

    def test_a_completion_that_goes_on_and_on_ends_by_its_limit(self) -> None:
        engine, begun = Engine(backend="jax", module=SCRIPTED), time.monotonic()
        with (
            pytest.raises(TooLate, match="The worker was still completing"),
            Worker(engine, begun + 2) as worker,
        ):
            worker.complete([("slow 0.02", "x")], 64)
        assert time.monotonic() - begun < 5

    def test_what_an_earlier_call_has_not_tried_comes_first(self, tmp_path: Path) -> None:
        of, tried = plan(tmp_path, "echo"), []

        def work(name: str, _: float) -> dict[str, bool]:
            tried.append(name)
            return {"right": name != "wrong"}

        every = [Step(name, 60, partial(work, name)) for name in ("wrong", "right", "last")]
        run(of, "jax", every[:2], CALL_S)
        assert run(of, "jax", every, CALL_S) == ["wrong"]
        assert tried == ["wrong", "right", "last", "wrong"]

    @pytest.mark.parametrize("backend", correctness.BACKENDS)
    def test_whatever_hangs_a_call_takes_less_than_nine_minutes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
    ) -> None:
        now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: now)

        def work(ends: float) -> dict[str, bool]:
            nonlocal now
            now = ends
            raise TooLate("The worker was still completing.")

        of = correctness.planned(tmp_path, small=False)
        every = [replace(step, work=work) for step in steps(of, backend)]
        for _ in range(4):
            begun = now
            run(of, backend, every, CALL_S)
            assert now - begun < 9 * 60 - 10
        # Each has had its turn.
        tried = [step for file in tmp_path.glob("*.json") for step in json.loads(file.read_text())]
        assert set(tried) == {step.name for step in every}


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_what_earlier_calls_found_in_another_folder_is_not_done_again(tmp_path: Path) -> None:
    of = plan(tmp_path / "earlier", "echo")
    ran(of, "jax", "cpu_jax", "float32_jax")
    there = replace(of, folder=tmp_path / "out", before=of.folder)
    some = [step for step in steps(there, "jax") if step.name in ("float32_jax", "two_jax")]
    assert run(there, "jax", some, CALL_S) == []
    assert list(found(there.folder, "jax")) == ["two_jax"]
    assert not list(there.folder.glob("cpu-*"))


def test_what_is_put_off_is_not_right(tmp_path: Path) -> None:
    of = plan(tmp_path, "echo")
    every = [step for step in steps(of, "jax") if step.name == "float32_jax"]
    assert run(of, "jax", every, seconds=1) == ["float32_jax"]
    assert not any(tmp_path.iterdir())


def test_the_exit_code_is_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(correctness, "planned", lambda folder, small, before: plan(folder, "echo"))
    flags = ["--out", str(tmp_path), "--small", "--backends", "jax", "--steps", "float32_jax"]
    monkeypatch.setattr(sys, "argv", ["correctness", *flags])
    with pytest.raises(SystemExit) as ended:
        correctness.main()
    assert ended.value.code == 0
    assert "every step is right" in capsys.readouterr().out
    next(tmp_path.glob("correctness-jax-*.json")).unlink()
    change_first_token(kept(plan(tmp_path), "jax"), id=7)
    with pytest.raises(SystemExit) as ended:
        correctness.main()
    assert ended.value.code == 1
    assert "not right: float32_jax" in capsys.readouterr().out


def test_a_step_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--out", str(tmp_path), "--backends", "jax", "--steps", "float32_torch"]
    monkeypatch.setattr(sys, "argv", ["correctness", *flags])
    with pytest.raises(SystemExit):
        correctness.main()
    assert "Received: float32_torch" in capsys.readouterr().err


@pytest.mark.skipif(bool(machine.gpus()), reason="there is a card")
def test_without_a_card_nothing_is_called_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["correctness", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        correctness.main()
    assert ended.value.code == 2
    assert "there must be a card" in capsys.readouterr().err


def test_the_cache_that_is_asked_for_exceeds_the_machine() -> None:
    assert correctness.impossible_length() > 2**20
