"""Bits a character of held-out middles, by hand for one task, and the same however tasks are batched."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from codegemma_ui.commands.evaluate import tasks
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.presets import BUNDLED_FOLDER
from training import held_out_loss, samples
from training.held_out_loss import bits_a_character
from training.model import Gemma, Shape
from training.samples import Sample

TASKS = tasks.read(Path(__file__).with_name("held_out_tasks.jsonl")).tasks[:5]


@pytest.fixture(scope="module")
def model() -> Gemma:
    torch.manual_seed(0)
    shape = Shape(layers=1, dim=32, heads=2, kv_heads=1, head_dim=16, feed_forward=32)
    return Gemma(shape, compiled=False)


def test_it_is_the_likelihood_of_the_middle_and_its_end(model: Gemma) -> None:
    vocabulary, task = Vocabulary(BUNDLED_FOLDER), TASKS[0]
    prefix, suffix = task.prompt[-900:], task.suffix[:450]
    ids, middle = samples.encode(Sample(prefix, task.canonical_solution, suffix), vocabulary)
    logprobs = model.logits(torch.tensor([ids]))[0].log_softmax(-1)
    nats = -sum(logprobs[at - 1, ids[at]].item() for at in range(middle, len(ids)))
    bits = nats / math.log(2) / len(task.canonical_solution)
    assert bits_a_character(model, vocabulary, [task]) == pytest.approx(bits, rel=1e-4)


def test_batches_change_nothing(model: Gemma, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary(BUNDLED_FOLDER)
    together = bits_a_character(model, vocabulary, TASKS)
    monkeypatch.setattr(held_out_loss, "AT_ONCE", 1)
    assert bits_a_character(model, vocabulary, TASKS) == pytest.approx(together, rel=1e-4)
