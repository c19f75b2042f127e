"""The trainer's model equals the shipped model, and its optimizations change no result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.model import Gemma, Shape, SoftTargets

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


def test_padding_changes_nothing_before_it(model: Gemma) -> None:
    first, second = torch.randint(0, 400, (7,)), torch.randint(0, 400, (12,))
    padded = torch.stack([torch.nn.functional.pad(first, (0, 5)), second])
    together = model.logits(padded)
    assert torch.allclose(together[0, :7], model.logits(first[None])[0], atol=1e-5)
    assert torch.allclose(together[1], model.logits(second[None])[0], atol=1e-5)


def test_a_token_does_not_see_what_follows(model: Gemma) -> None:
    ids = torch.randint(0, 400, (1, 10))
    changed = ids.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 400
    before, after = model.logits(ids)[0], model.logits(changed)[0]
    assert torch.allclose(before[:6], after[:6], atol=1e-5)
    assert not torch.allclose(before[6:], after[6:], atol=1e-2)


def gradient(weight: torch.Tensor) -> torch.Tensor:
    assert weight.grad is not None
    return weight.grad


def test_the_fused_loss_is_the_weighted_cross_entropy_with_its_gradients(
    model: Gemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "training.model._LinearCrossEntropy.PORTIONS", {"cpu": 16}
    )  # 22: one is cut
    ids, targets = torch.randint(0, 400, (2, 2, 11))
    weights = torch.rand(2, 11)
    weights /= weights.sum()
    loss, each = model.loss(ids, targets, weights)
    loss.backward()
    fused = {name: gradient(weight).clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model.logits(ids).flatten(0, 1)
    plain = torch.nn.functional.cross_entropy(logits, targets.flatten(), reduction="none")
    (plain * weights.flatten()).sum().backward()
    assert torch.allclose(each, plain, atol=1e-4)
    for name, weight in model.named_parameters():
        assert torch.allclose(fused[name], gradient(weight), atol=1e-4), name


def test_compiled_pieces_give_the_same_loss_for_any_shape(model: Gemma) -> None:
    compiled = Gemma(SMALL)
    compiled.load_state_dict(model.state_dict())
    for shape in ((3, 20), (2, 33)):
        ids, targets = torch.randint(0, 400, (2, *shape))
        losses = []
        for one in (model, compiled):
            one.zero_grad()
            loss, _ = one.loss(ids, targets, torch.ones(shape) / ids.numel())
            loss.backward()
            losses.append((loss, gradient(one.embedding).clone()))
        (plain, plain_gradient), (fast, fast_gradient) = losses
        assert torch.allclose(plain, fast, atol=1e-5)
        assert torch.allclose(plain_gradient, fast_gradient, atol=1e-5)


COMPARE = """
import json, sys
from pathlib import Path
import numpy as np, torch
from training.export import preset, write
from training.model import Gemma, Shape, SoftTargets
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
    from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
    from codegemma_ui.presets import BUNDLED_FOLDER

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
    ours = model.logits(torch.arange(8, 48)[None])[0].detach().numpy()
    assert np.abs(ours - np.load(tmp_path / "logits.npy")).max() < 1e-3 * np.abs(ours).max()
    assert json.loads((tmp_path / "preset" / "fim.json").read_text())["context_length"] == 1024


def test_a_teachers_tokens_are_targets_too(model: Gemma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.model._LinearCrossEntropy.PORTIONS", {"cpu": 16})
    teacher = Gemma(SMALL, compiled=False)
    teacher.load_state_dict(
        {k: v + 0.05 * torch.randn_like(v) for k, v in model.state_dict().items()}
    )
    ids, targets = torch.randint(0, 400, (2, 2, 11))
    weights = torch.rand(2, 11)
    likeliest, probabilities = teacher.likeliest(ids, 8)
    soft = SoftTargets(likeliest, probabilities, share=0.3)
    expected = teacher.logits(ids).flatten(0, 1).topk(8)
    assert torch.equal(soft.ids, expected.indices)
    assert torch.allclose(soft.probabilities, expected.values.softmax(-1), atol=1e-5)
    loss, each = model.loss(ids, targets, weights, soft)
    loss.backward()
    fused = {name: gradient(weight).clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logprobs = model.logits(ids).flatten(0, 1).log_softmax(-1)
    own = -logprobs.gather(1, targets.flatten()[:, None]).squeeze(1)
    theirs = -(logprobs.gather(1, soft.ids) * soft.probabilities).sum(1)
    ((0.7 * own + 0.3 * theirs) * weights.flatten()).sum().backward()
    assert torch.allclose(each, own, atol=1e-4)
    for name, weight in model.named_parameters():
        assert torch.allclose(fused[name], gradient(weight), atol=1e-4), name
