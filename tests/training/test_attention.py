"""The trainer's attention equals PyTorch's, forward and backward, for any block size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training import attention


@pytest.mark.parametrize("length", [1, 40, 96, 97, 200])
def test_it_is_causal_attention_with_its_gradients(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "QUERIES", 32)  # several blocks of queries, the last one cut
    monkeypatch.setattr(attention, "SCORES", 3 * 32 * length)  # and two of rows
    torch.manual_seed(0)
    q, k, v, above = torch.randn(4, 5, length, 8, dtype=torch.float64)
    inputs = [part.requires_grad_() for part in (q, k, v)]
    ours = attention.attend(q * 8**-0.5, k, v)
    theirs = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(ours, theirs)
    our_gradients = torch.autograd.grad(ours, inputs, above)
    their_gradients = torch.autograd.grad(theirs, inputs, above)
    for one, other in zip(our_gradients, their_gradients, strict=True):
        assert torch.allclose(one, other)
