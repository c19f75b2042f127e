"""The steps with the real worker and the bundled model, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui import machine
from tools.gpu.correctness import BACKENDS, planned, run, steps
from tools.gpu.results import CALL_S, Results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the tokens of the CPU are kept from step to step."""
    return tmp_path_factory.mktemp("correctness")


@pytest.fixture(autouse=True)
def without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU even where there is a card, so that nothing has to be compiled for it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")


def wrong(folder: Path, backend: str, name: str) -> bool:
    """Return whether a step, run now, is not right."""
    if not machine.backend(backend).installed:
        pytest.skip(f"{backend} is not installed")
    (step,) = [one for one in steps(planned(folder, small=True), backend) if one.name == name]
    return run(planned(folder, small=True), backend, [step], CALL_S) != []


def figures(folder: Path, backend: str) -> dict[str, Any]:
    """Return the figures of all calls."""
    return Results(folder, f"correctness-small-{backend}").steps


@pytest.mark.parametrize("name", ["float32", "long_cache"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_on_both_backends(folder: Path, backend: str, name: str) -> None:
    assert not wrong(folder, backend, f"{name}_{backend}")


@pytest.mark.parametrize("name", ["full_float32_jax", "together_jax", "bfloat16_jax"])
def test_on_jax(folder: Path, name: str) -> None:
    assert not wrong(folder, "jax", name)


@pytest.mark.parametrize("name", ["graphs_torch", "two_backends_torch"])
def test_on_torch(folder: Path, name: str) -> None:
    assert not wrong(folder, "torch", name)


def test_stand_ins_for_graphs_are_used_and_not_called_graphs(folder: Path) -> None:
    wrong(folder, "torch", "graphs_torch")
    found = figures(folder, "torch")["graphs_torch"]
    assert found["recorded"] > 0
    assert not found["shown"]


def test_a_token_that_differs_from_the_cpus_is_reported(folder: Path, tmp_path: Path) -> None:
    assert not wrong(folder, "jax", "cpu_jax")
    (made,) = folder.glob("cpu-jax-*.json")
    lines = json.loads(made.read_text())
    lines[0][0]["id"] += 1
    (tmp_path / made.name).write_text(json.dumps(lines))
    assert wrong(tmp_path, "jax", "float32_jax")
    found = figures(tmp_path, "jax")["float32_jax"]
    assert (found["equal"], found["prompts"]) == (len(lines) - 1, len(lines))
