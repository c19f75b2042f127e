"""Speed on a card: the least bytes and operations, figures made of times, and a small run for real."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.speed.shapes import SHAPES
from codegemma_ui import machine
from tools.gpu import floor, kernels, speed, workload
from tools.gpu.child import Child, ChildFailed
from tools.gpu.results import CALL_S, Figures, Results


class TestFloor:
    @pytest.mark.parametrize(
        ("shape", "dtype", "gigabytes"),
        [
            ("2b", "bfloat16", 5.01),
            ("2b", "int8", 2.51),
            ("7b", "bfloat16", 17.08),
            ("7b", "int8", 8.55),
        ],
    )
    def test_a_token_reads_every_weight_once(
        self, shape: str, dtype: str, gigabytes: float
    ) -> None:
        assert floor.weight_bytes(SHAPES[shape], dtype) / 1e9 == pytest.approx(gigabytes, abs=0.01)

    def test_the_matrices_are_all_of_the_parameters(self) -> None:
        for shape in SHAPES.values():
            norms = (2 * shape.num_layers + 1) * shape.hidden_dim
            matrices = shape.parameters - norms
            assert floor.weight_bytes(shape, "bfloat16") == 2 * matrices + 4 * norms

    def test_keys_and_values_of_each_stream_are_read_too(self) -> None:
        # 18 layers, keys and values, one head of 256 numbers in two bytes.
        assert floor.cache_bytes(SHAPES["2b"], 1000) == 18 * 2 * 256 * 2 * 1000
        one = floor.step_bytes(SHAPES["7b"], "int8", 1000)
        eight = floor.step_bytes(SHAPES["7b"], "int8", 1000, streams=8)
        assert eight - one == 7 * floor.cache_bytes(SHAPES["7b"], 1000)

    def test_a_prompt_does_two_operations_for_each_weight_and_token(self) -> None:
        shape = SHAPES["2b"]
        embedding = shape.vocabulary_size * shape.hidden_dim
        got = floor.prompt_operations(shape, 4000)
        assert got == pytest.approx(2 * (shape.parameters - embedding) * 4000, rel=0.1)
        # Attention grows with the square.
        assert got > 2 * floor.prompt_operations(shape, 2000) * 0.99

    def test_a_short_prompt_waits_for_memory_and_a_long_one_for_arithmetic(self) -> None:
        shape, card = SHAPES["2b"], (4e12, 7e14)
        reading = floor.weight_bytes(shape, "bfloat16") / card[0]
        assert floor.first_token_s(shape, "bfloat16", 22, *card) == reading
        long = floor.first_token_s(shape, "bfloat16", 4000, *card)
        assert long == floor.prompt_operations(shape, 4000) / card[1] > 5 * reading

    def test_a_share_is_of_the_fastest_that_memory_allows(self) -> None:
        assert floor.decode_share(400.0, 5_000_000_000, 4e12) == pytest.approx(0.5)


class TestTimes:
    def test_speed_counts_from_the_first_token_on(self) -> None:
        got = workload.timed([[0.5, 0.6, 0.7], [0.4, 0.8, 1.2], [0.3, 0.5, 0.7]])
        assert got["first_ms"] == pytest.approx(400)
        assert got["first_low_ms"] == pytest.approx(300)
        assert got["decode_tok_s"] == pytest.approx(5)
        assert got["decode_low_tok_s"] == pytest.approx(2.5)
        assert got["decode_high_tok_s"] == pytest.approx(10)

    def test_of_streams_at_once_what_came_while_all_decoded_is_their_speed(self) -> None:
        got = workload.timed_together([[[0.1, 0.3, 0.5, 0.7], [0.2, 0.4, 0.6, 0.8]]])
        assert got["last_first_ms"] == pytest.approx(200)
        assert got["together_tok_s"] == pytest.approx(8 / 0.8)
        assert got["decode_tok_s"] == pytest.approx(5 / 0.5)  # of 0.3 to 0.7

    def test_streams_one_after_another_never_decode_together(self) -> None:
        got = workload.timed_together([[[0.1, 0.2], [0.3, 0.4]]])
        assert "decode_tok_s" not in got
        assert got["together_tok_s"] == pytest.approx(10)

    def test_what_takes_long_is_run_less_often_but_twice(self) -> None:
        def runs(each_s: float) -> int:
            now = 0.0

            def work() -> float:
                nonlocal now
                now += each_s
                return now

            return len(workload.repeated(work, 7, clock=lambda: now))

        assert runs(each_s=0.5) == 7
        assert runs(each_s=4) == 4
        assert runs(each_s=60) == 2

    def test_prompts_repeat_by_seed_and_differ_from_their_first_token(self) -> None:
        first = workload.prompt(SHAPES["2b"], 200, 1)
        assert first == workload.prompt(SHAPES["2b"], 200, 1)
        assert first[0] != workload.prompt(SHAPES["2b"], 200, 2)[0]
        assert len(first) == 200


class TestKernels:
    def test_the_longest_come_first_with_their_share_and_launches(self) -> None:
        some = [kernels.Kernel("norm", 0.001, 72), kernels.Kernel("product", 0.003, 32)]
        got = kernels.listed(some, tokens=16)
        assert got["kernels_ms_per_token"] == pytest.approx(0.25)
        assert got["launches_per_token"] == 6.5
        assert got["kernel_01"] == "75.0%, 188 us in 2.0 launches: product"
        assert got["kernel_02"] == "25.0%, 62 us in 4.5 launches: norm"

    def test_of_a_trace_only_what_ran_on_the_cards_streams_counts(self) -> None:
        def named(kind: str, name: str, **where: int) -> dict[str, object]:
            return {"ph": "M", "name": kind, "args": {"name": name}, **where}

        events = [
            named("process_name", "/device:GPU:0", pid=1),
            named("process_name", "/host:CPU", pid=2),
            named("thread_name", "Stream #13(Compute)", pid=1, tid=5),
            named("thread_name", "XLA Ops", pid=1, tid=6),
            {"ph": "X", "name": "gemm", "pid": 1, "tid": 5, "dur": 40.0},
            {"ph": "X", "name": "gemm", "pid": 1, "tid": 5, "dur": 60.0},
            {"ph": "X", "name": "dot.1", "pid": 1, "tid": 6, "dur": 100.0},
            {"ph": "X", "name": "Execute", "pid": 2, "tid": 7, "dur": 500.0},
        ]
        (gemm,) = kernels.of_trace(events, cuda=True)
        assert (gemm.name, gemm.launches) == ("gemm", 2)
        assert gemm.seconds == pytest.approx(1e-4)
        with pytest.raises(ValueError, match=r"Received rows: .*XLA Ops"):
            kernels.of_trace(events[:4], cuda=True)


class TestShares:
    card: ClassVar[Figures] = {"copy_gb_s": 4000.0, "matmul_tflop_s": 700.0}

    def test_decode_is_measured_by_the_bytes_in_the_middle_of_a_completion(self) -> None:
        run = workload.workload("2b", small=False)
        figures: Figures = {"decode_tok_s": 400.0, "first_ms": 5.0}
        got = speed.with_shares(figures, "prompt 200", run, "bfloat16", self.card)
        read = floor.step_bytes(run.shape, "bfloat16", 264)
        assert got["decode_share"] == pytest.approx(400 * read / 4e12)
        assert got["first_share"] == pytest.approx(0.25, abs=0.01)  # 5.0 GB at 4 TB/s take 1.25 ms

    def test_eight_streams_read_the_weights_once(self) -> None:
        run = workload.workload("2b", small=False)
        figures: Figures = {"decode_tok_s": 3200.0, "at_once": 8}
        got = speed.with_shares(figures, "together", run, "int8", self.card)
        read = floor.step_bytes(run.shape, "int8", 264, streams=8)
        assert got["decode_share"] == pytest.approx(400 * read / 4e12)

    def test_without_the_cards_figures_there_are_none(self) -> None:
        run = workload.workload("2b", small=False)
        failed: Figures = {"error": "CUDA out of memory"}
        assert speed.with_shares({"first_ms": 5.0}, "prompt 200", run, "int8", failed) == {
            "first_ms": 5.0
        }

    def test_transformers_is_measured_in_bfloat16_only(self) -> None:
        named = [one.name for one in speed.chosen(None, None)]
        assert named == [
            *("jax bfloat16", "jax int8", "torch bfloat16", "torch int8"),
            "transformers bfloat16",
        ]
        assert speed.chosen("transformers", "int8") == []


def readme_calls(shape: str, backend: str) -> list[tuple[list[str] | None, int]]:
    """Return the calls in the README's table: the names of `--only`, and the estimate in seconds."""
    text = (Path(speed.__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| {shape} \| {backend} \| (.*) \| (\d+) s \|$", text, re.MULTILINE)
    assert rows
    calls = [(shlex.split(flags.strip("`")), int(seconds)) for flags, seconds in rows]
    return [(flags[1:] if flags[0] == "--only" else None, seconds) for flags, seconds in calls]


class TestPlan:
    needs_s: ClassVar = speed.Engine("torch", "bfloat16").needs_s(workload.workload("2b", False))

    def test_all_is_run_unless_some_is_named(self) -> None:
        assert list(speed.planned(self.needs_s, None)) == [
            *("load", "prompt 200", "profile", "together"),
            *("prompt 4000", "prompt 22", "prompt 900"),
        ]
        assert list(speed.planned(self.needs_s, ["prompt 900", "profile"])) == [
            *("load", "profile", "prompt 900")
        ]

    def test_a_name_that_is_none_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            speed.main(["--out", str(tmp_path), "--only", "prompt 5"])
        assert "Received: prompt 5" in capsys.readouterr().err

    @pytest.mark.skipif(bool(machine.gpus()), reason="there is a card")
    def test_without_a_card_the_rehearsal_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            speed.main(["--out", str(tmp_path)])
        assert ended.value.code == 2
        assert (
            "there must be a card that nvidia-smi lists; --small rehearses"
            in capsys.readouterr().err
        )
        assert not any(tmp_path.iterdir())

    def test_compiling_more_layers_is_given_more_time(self) -> None:
        large = speed.Engine("torch", "bfloat16").needs_s(workload.workload("7b", False))
        assert large["prompt 4000"] > 1.4 * self.needs_s["prompt 4000"]

    @pytest.mark.parametrize("dtype", speed.DTYPES)
    @pytest.mark.parametrize("shape", ["2b", "7b"])
    def test_each_call_of_the_readme_fits_and_all_together_measure_everything(
        self, shape: str, dtype: str
    ) -> None:
        run = workload.workload(shape, small=False)
        for engine in speed.chosen(None, dtype):
            measured = {"load"}
            for only, estimate_s in readme_calls(shape, engine.backend):
                needs_s = speed.planned(engine.needs_s(run), only)
                assert needs_s, only
                needed_s = speed.BANDWIDTH_S + sum(needs_s.values())
                assert needed_s <= estimate_s < needed_s + 10
                assert estimate_s <= CALL_S
                assert not measured & needs_s.keys() - {"load"}
                measured |= needs_s.keys()
            assert measured == engine.needs_s(run).keys()


ANSWERING = """
import os, time
from tools.gpu.child import serve
def measure(name):
    if name == "fail":
        raise RuntimeError("CUDA out of memory")
    if name == "hang":
        time.sleep(60)
    return {"pid": os.getpid(), "seen": os.environ["SEEN"]}
serve(measure)
"""


class TestChild:
    @pytest.fixture
    def child(self, tmp_path: Path) -> Child:
        (tmp_path / "answering.py").write_text(ANSWERING)
        paths = f"{tmp_path}:{Path(__file__).parents[2]}"
        return Child("answering", [], {"PYTHONPATH": paths, "SEEN": "yes"}, tmp_path / "log")

    def test_it_answers_from_one_process(self, child: Child) -> None:
        with child:
            first = child.ask("anything", 30)
            assert first["seen"] == "yes"
            assert child.ask("more", 30) == first

    def test_after_a_failure_it_starts_anew(self, child: Child, tmp_path: Path) -> None:
        with child:
            first = child.ask("anything", 30)
            with pytest.raises(ChildFailed, match="RuntimeError: CUDA out of memory"):
                child.ask("fail", 30)
            assert child.ask("anything", 30)["pid"] != first["pid"]
        assert "Traceback" in (tmp_path / "log").read_text()

    def test_what_takes_too_long_is_killed(self, child: Child) -> None:
        with child, pytest.raises(ChildFailed, match="killed after 2 s; see log"):
            child.ask("hang", 2)


@pytest.mark.parametrize(
    ("backend", "dtype"), [("jax", "int8"), ("torch", "bfloat16"), ("transformers", "bfloat16")]
)
def test_a_small_run_measures_everything(backend: str, dtype: str, tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path), "--small", "--backend", backend, "--dtype", dtype]
    assert speed.main(flags) == 0
    (file,) = tmp_path.glob("speed-*.json")
    steps = json.loads(file.read_text())
    assert not [step for step, figures in steps.items() if {"error", "note"} & figures.keys()]
    assert {figures["device"] for figures in steps.values()} == {"cpu"}
    named = f"{backend} {dtype}"
    assert steps[f"{named}: load"]["parameters"] == workload.TINY.parameters
    if backend != "transformers":
        # What is taken for the least is what the engine holds.
        assert steps[f"{named}: load"]["weight_bytes"] == floor.weight_bytes(workload.TINY, dtype)
        assert steps[f"{named}: profile"]["kernel_01"]
        assert steps[f"{named}: profile"]["step_ms"] > 0
    for tokens in workload.workload("2b", small=True).prompts:
        assert steps[f"{named}: prompt {tokens}"]["first_ms"] > 0
        assert 0 < steps[f"{named}: prompt {tokens}"]["decode_share"] < 5  # a cache is faster
    together = steps[f"{named}: together"]
    assert together["at_once"] == 3
    assert together["together_tok_s"] > 1


def test_one_measurement_that_hangs_does_not_take_the_whole_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits_s = {}

    def ask(self: Child, measurement: str, limit_s: float) -> Figures:
        limits_s[measurement] = limit_s
        return {}

    monkeypatch.setattr(Child, "ask", ask)
    run = workload.workload("2b", small=False)
    (engine,) = speed.chosen("jax", "int8")
    needs_s = {"load": 60.0, "prompt 200": 70.0, "together": 300.0}
    call = Results(tmp_path, "speed", seconds=520)
    speed.measure(call, run, {engine: needs_s}, "2b", small=False)
    # Nothing has started here, so that each would load first.
    assert limits_s["prompt 200"] == 2 * (60 + 70)
    assert 520 < limits_s["together"] < 9 * 60


def test_a_step_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(self: Child, measurement: str, limit_s: float) -> Figures:
        if measurement == "prompt 40":
            raise ChildFailed("RuntimeError: out of memory")
        return {"decode_tok_s": 5.0, "first_ms": 1.0, "at_once": 1, "context": 40, "step_ms": 1.0,
                "kernels_ms_per_token": 1.0}  # fmt: skip

    monkeypatch.setattr(Child, "ask", ask)
    run = workload.workload("2b", small=True)
    results = Results(tmp_path, "speed")
    (engine,) = speed.chosen("jax", "int8")
    speed.measure(results, run, {engine: engine.needs_s(run)}, "2b", small=True)
    assert (
        results.steps["jax int8: prompt 40"]["error"] == "ChildFailed: RuntimeError: out of memory"
    )
    assert results.done("jax int8: prompt 12")
    assert results.done("jax int8: profile")
