"""A model on 2 and 4 devices, virtual ones of the CPU, generates the same tokens as on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import presets
from codegemma_ui.client.choice import Choice, check_backend, check_memory, worker_command
from codegemma_ui.errors import NotEnoughMemory, UnknownBackend
from codegemma_ui.machine import Gpu
from codegemma_ui.settings import Settings
from tests.workers.keras.worker_process import Worker

ROOT = Path(__file__).parents[3]
HEADS = {"fim_small": 4, "one": 1, "two": 2, "sixteen": 16}
"""Preset -> its key and value heads."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """Map each number of devices to the report of `parallel_probe`."""
    folder = tmp_path_factory.mktemp("presets")

    def probe(devices: int) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.workers.keras.parallel_probe", str(folder), str(devices)],
            cwd=ROOT,
            env={**os.environ, **virtual(devices)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report

    one = probe(1)  # it makes the presets of the others
    with ThreadPoolExecutor(2) as pool:
        two, four = pool.map(probe, (2, 4))
    return {1: one, 2: two, 4: four}


def virtual(devices: int) -> dict[str, Any]:
    flag = f"--xla_force_host_platform_device_count={devices}"
    return {"XLA_FLAGS": flag, "CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize("devices", [2, 4])
@pytest.mark.parametrize("preset", HEADS)
def test_tokens_are_those_of_one_device(
    preset: str, devices: int, reports: dict[int, dict[str, Any]]
) -> None:
    one, several = (reports[count][preset]["answers"] for count in (1, devices))
    assert [answer["tokens"] for answer in several] == [answer["tokens"] for answer in one]
    assert sum(len(answer["tokens"]) for answer in one) > 40
    for here, there in zip(one, several, strict=True):
        assert there["logprobs"] == pytest.approx(here["logprobs"], abs=1e-3)


@pytest.mark.parametrize("devices", [2, 4])
@pytest.mark.parametrize("preset", HEADS)
def test_each_device_has_its_part_and_what_cannot_be_parted_is_whole(
    preset: str, devices: int, reports: dict[int, dict[str, Any]]
) -> None:
    report = reports[devices][preset]
    assert report["share"] == pytest.approx(1 / devices, abs=0.02)
    share = {
        name: shape[axis] // report["sharded"][name][axis]
        for name, shape in report["shape"].items()
        for axis in (0 if name in ("cache", "output", "down") else 1,)
    }
    divides = HEADS[preset] > 1 and HEADS[preset] % devices == 0
    assert {share[name] for name in ("key", "value", "cache")} == {devices if divides else 1}
    wide = ("query", "output", "gate", "down", "embedding")
    assert {share[name] for name in wide} == {devices}


def test_nothing_is_compiled_twice(reports: dict[int, dict[str, Any]]) -> None:
    for report in reports.values():
        for preset in HEADS:
            before, after = report[preset]["compilations"]
            assert before == after


def test_the_worker_says_how_many_devices_it_has() -> None:
    worker = Worker("jax", devices=2, **virtual(2))
    try:
        assert worker.until("worker", "loaded", "failed")[-1].get("device") == "2 × CPU"
        worker.complete("one", prefix="import ", suffix="\n\nsys.exit(0)\n")
        assert worker.until("event", "done", "error")[-1]["middle"] == "sys"
    finally:
        worker.process.stop()


def test_too_few_devices_are_told() -> None:
    worker = Worker("jax", devices=3, **virtual(2))
    try:
        failed = worker.until("worker", "loaded", "failed")[-1]
        assert failed["code"] == "not_enough_devices"
        assert failed["message"].endswith("2. Received: 3")
    finally:
        worker.process.stop()


def test_other_backends_are_refused() -> None:
    settings = Settings(backend="jax", model_parallel=2)
    check_backend(Choice(presets.bundled(), "jax", "auto"), settings)
    with pytest.raises(UnknownBackend, match="must be one of jax, openai"):
        check_backend(Choice(presets.bundled(), "torch", "auto"), settings)


def test_only_a_parted_model_is_told_so() -> None:
    choice = Choice(presets.bundled(), "jax", "auto")
    command = worker_command(choice, presets.BUNDLED_FOLDER, Settings(model_parallel=4))
    assert command[-2:] == ["--model-parallel", "4"]
    assert "--model-parallel" not in worker_command(choice, presets.BUNDLED_FOLDER, Settings())


def test_the_memory_of_several_cards_counts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seven = next(one for one in presets.CODEGEMMA if one.name == "code_gemma_7b_en")
    card = Gpu("card", 16 * 10**9, 16 * 10**9)
    monkeypatch.setattr("codegemma_ui.machine.gpus", lambda: (card,) * 4)
    monkeypatch.setattr("codegemma_ui.machine.memory_bytes", lambda: (8 * 10**9, 8 * 10**9))
    choice = Choice(seven, "jax", "bfloat16")
    check_memory(choice, devices=4)
    with pytest.raises(NotEnoughMemory):
        check_memory(choice)
