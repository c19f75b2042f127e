"""An average of a model's weights over the last part of its training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEMORY = 0.05
"""Share of the training that the average remembers."""

EVERY = 8
"""Steps between two additions to the average."""


class Average:
    """An exponential average whose memory grows with the training.

    Args:
        model: the model whose weights are averaged, as they are now.

    Attributes:
        added: how often weights have been added.
        weights: the average, under the names of the model's `state_dict`.
    """

    def __init__(self, model: nn.Module) -> None:
        self.added = 0
        self.weights: dict[str, Tensor] = {
            name: weight.detach().clone() for name, weight in model.state_dict().items()
        }

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def add(self, model: nn.Module) -> None:
        """Add the model's weights as they are now."""
        self.added += 1
        share = 1 / (1 + MEMORY * self.added)
        for name, weight in model.state_dict().items():
            self.weights[name].lerp_(weight, share)
