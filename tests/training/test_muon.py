"""Muon's updates are orthogonal matrices of the same scale, whatever the gradient's."""

from __future__ import annotations

import pytest
import torch

from training.muon import Muon, orthogonal


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 16, 48)
    matrices /= matrices.norm(dim=(1, 2), keepdim=True)
    singular = torch.linalg.svdvals(orthogonal(matrices))
    assert singular.min() > 0.6
    assert singular.max() < 1.3


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (16, 32)])
@pytest.mark.parametrize("gradient_size", [1e-4, 1e4])
def test_a_step_goes_down_and_its_size_is_the_rates(
    shape: tuple[int, int], gradient_size: float
) -> None:
    torch.manual_seed(0)
    # Two of one shape go through the iteration together.
    weights = [torch.nn.Parameter(torch.randn(shape)) for _ in range(2)]
    before = [weight.detach().clone() for weight in weights]
    gradients = [gradient_size * torch.randn(shape) for _ in weights]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    Muon(weights, lr=0.1).step()
    rows, columns = shape
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        change = weight.detach() - old
        singular = torch.linalg.svdvals(change) / (0.1 * max(1, rows / columns) ** 0.5)
        assert singular.min() > 0.6
        assert singular.max() < 1.3
        assert (change * gradient).sum() < 0


def test_momentum_remembers_and_is_part_of_the_state() -> None:
    weight = torch.nn.Parameter(torch.zeros(4, 8))
    optimiser = Muon([weight])
    weight.grad = torch.ones(4, 8)
    optimiser.step()
    (kept,) = optimiser.state_dict()["state"].values()
    assert torch.allclose(kept["momentum"], torch.full((4, 8), 0.05))
