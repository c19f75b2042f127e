"""The trainer's model is the model that is shipped, and its shortcuts change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.model import Gemma, Shape, attend
from training.muon import orthogonal

SMALL = Shape(vocabulary=400, layers=2, dim=32, heads=4, kv_heads=2, head_dim=8, feed_forward=48)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def model() -> Gemma:
    torch.manual_seed(1)
    made = Gemma(SMALL, compiled=False)
    with torch.no_grad():
        for parameter in made.parameters():  # the zeros of a new model would hide a mistake
            parameter.add_(torch.randn_like(parameter) * 0.1)
            parameter.copy_(parameter.half())  # what a preset keeps exactly
    return made


def test_packed_samples_do_not_see_each_other(model: Gemma) -> None:
    first, second = torch.randint(0, 400, (7,)), torch.randint(0, 400, (12,))
    together = model.hidden(torch.cat([first, second]), [7, 12])
    apart = torch.cat([model.hidden(first, [7]), model.hidden(second, [12])])
    assert torch.allclose(together, apart, atol=1e-5)


def test_a_token_does_not_see_what_follows(model: Gemma) -> None:
    ids = torch.randint(0, 400, (10,))
    changed = ids.clone()
    changed[6:] = (changed[6:] + 1) % 400
    assert torch.allclose(model.logits(ids)[:6], model.logits(changed)[:6], atol=1e-5)
    assert not torch.allclose(model.logits(ids)[6:], model.logits(changed)[6:], atol=1e-2)


def test_the_fused_loss_is_the_weighted_cross_entropy_with_its_gradients(model: Gemma) -> None:
    ids, targets = torch.randint(0, 400, (2, 20))
    weights = torch.rand(20)
    loss, each = model.loss(ids, targets, weights, [8, 12])
    loss.backward()
    fused = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model.hidden(ids, [8, 12]) @ model.embedding.T
    plain = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    ((plain * weights).sum() / weights.sum()).backward()
    assert torch.allclose(each, plain, atol=1e-4)
    for name, weight in model.named_parameters():
        assert torch.allclose(fused[name], weight.grad, atol=1e-4), name


def test_key_and_value_heads_are_shared_by_neighbouring_query_heads() -> None:
    q, k, v = torch.randn(5, 4, 8), torch.randn(5, 2, 8), torch.randn(5, 2, 8)
    each = [attend(q[:, [h]], k[:, [h // 2]], v[:, [h // 2]], [5]) for h in range(4)]
    assert torch.allclose(attend(q, k, v, [5]), torch.cat(each, 1), atol=1e-6)


@pytest.mark.parametrize("size", [(16, 48), (48, 16)])
def test_muon_makes_a_matrix_nearly_orthogonal(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    singular = torch.linalg.svdvals(orthogonal(torch.randn(size)))
    assert singular.min() > 0.6
    assert singular.max() < 1.3


COMPARE = """
import json, sys
from pathlib import Path
import numpy as np, torch
from training.export import preset, write
from training.model import Gemma, Shape
from training.start import shape_of, weights_of
folder, vocabulary = Path(sys.argv[1]), Path(sys.argv[2])
state = torch.load(folder / "checkpoint.pt")
shape = Shape(**state["shape"])
write(preset(state["model"], shape, vocabulary), folder / "preset")
import keras_nlp
backbone = keras_nlp.models.GemmaBackbone.from_preset(str(folder / "preset"), dtype="float32")
ids = np.arange(8, 48)[None]
hidden = backbone({"token_ids": ids, "padding_mask": np.ones_like(ids)})
logits = backbone.token_embedding(hidden, reverse=True)[0]
np.save(folder / "logits.npy", np.asarray(logits.detach()))
assert shape_of(backbone) == shape
back = weights_of(backbone)
assert set(back) == set(state["model"])
assert all(torch.equal(back[name], weight) for name, weight in state["model"].items())
"""


def test_kerashub_gives_the_same_logits_and_the_same_weights_back(tmp_path: Path) -> None:
    from codegemma_ui.presets import BUNDLED_FOLDER
    from codegemma_ui.vocabulary import VOCABULARY_FILE, Vocabulary

    vocabulary = BUNDLED_FOLDER / VOCABULARY_FILE
    shape = Shape(**{**vars(SMALL), "vocabulary": Vocabulary(BUNDLED_FOLDER).size})
    torch.manual_seed(1)
    model = Gemma(shape, compiled=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
            parameter.copy_(parameter.half())
    torch.save({"shape": vars(shape), "model": model.state_dict()}, tmp_path / "checkpoint.pt")
    subprocess.run(
        [sys.executable, "-c", COMPARE, str(tmp_path), str(vocabulary)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "torch"},
        check=True,
        timeout=300,
    )
    ours = model.logits(torch.arange(8, 48)).detach().numpy()
    assert np.abs(ours - np.load(tmp_path / "logits.npy")).max() < 1e-3 * np.abs(ours).max()
    assert json.loads((tmp_path / "preset" / "fim.json").read_text())["context_length"] == 1024
