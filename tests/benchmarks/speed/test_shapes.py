"""Named model shapes: their parameter counts, and one that is built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.speed.shapes import SHAPES
from codegemma_ui import presets
from codegemma_ui.fim.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("shape", "preset"), [("2b", "code_gemma_2b_en"), ("7b", "code_gemma_7b_en")]
)
def test_codegemma_shapes_have_codegemmas_parameters(shape: str, preset: str) -> None:
    assert SHAPES[shape].parameters == presets.named(preset).parameters


@pytest.mark.parametrize(("name", "millions"), [("20m", 20), ("270m", 270)])
def test_the_others_are_what_they_are_called(name: str, millions: int) -> None:
    assert SHAPES[name].parameters / 1e6 == pytest.approx(millions, rel=0.03)


def test_a_made_preset_has_the_shapes_weights_and_a_vocabulary_of_its_size(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from codegemma_ui.workers.keras import framework; framework.before_import('jax')\n"
        "from benchmarks.speed.engine import random_preset\n"
        "from benchmarks.speed.shapes import Shape\n"
        "shape = Shape(name='tiny', vocabulary_size=9000, num_layers=2, hidden_dim=32,"
        " num_query_heads=4, num_key_value_heads=2, head_dim=8, intermediate_dim=64)\n"
        "random_preset.make(shape, Path(sys.argv[1]))\n"
        "print(shape.parameters)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    made = presets.named(str(tmp_path))
    assert made.parameters == int(done.stdout.split()[-1])
    assert (made.context_length, made.layouts) == (2048, ("psm", "spm"))
    policy = json.loads((tmp_path / "config.json").read_text())["config"]["dtype"]
    assert policy["config"]["name"] == "bfloat16"
    padded, bundled = Vocabulary(tmp_path), Vocabulary(presets.BUNDLED_FOLDER)
    assert padded.size == 9000
    assert padded.stop_ids == bundled.stop_ids
    text = "def mean(values):\n    return sum(values) / len(values)\n"
    assert padded.encode(text) == bundled.encode(text)
