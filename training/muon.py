"""Muon: momentum with matrices orthogonalised before each step.

Source: Keller Jordan, https://kellerjordan.github.io/posts/muon/ (the five-step Newton-Schulz iteration and
its coefficients). Matrices of the same shape are processed together, since most are small.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return matrices with the same singular vectors and singular values near 1; count x rows x columns.

    `rows` is at most `columns`, which keeps the products small.
    """
    a, b, c = COEFFICIENTS
    x = matrices
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(Optimizer):  # type: ignore[misc]
    """Muon with Nesterov momentum, for weight matrices; `lr` is the change's root mean square row norm.

    Args:
        parameters: matrices.
        lr: step size.
        momentum: share of the previous direction to keep.
        decay: weight decay: the share of a weight, times `lr`, that a step takes away.
        dtype: precision of the orthogonalisation; bfloat16 is sufficient.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        momentum: float = 0.95,
        decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(
            parameters, {"lr": lr, "momentum": momentum, "weight_decay": decay, "dtype": dtype}
        )

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, _: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change = _wide(self._change(parameter, group["momentum"]))
                    alike.setdefault(change.shape, []).append((parameter, change))
            for some in alike.values():
                changes = torch.stack([change for _, change in some]).to(group["dtype"])
                for (parameter, _given), change in zip(some, orthogonal(changes), strict=True):
                    rows, columns = parameter.shape
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    size = group["lr"] * max(1, rows / columns) ** 0.5
                    parameter.add_(change.T if rows > columns else change, alpha=-size)

    def _change(self, parameter: Tensor, momentum: float) -> Tensor:
        """Return the direction of the next step, with norm 1."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        change = parameter.grad.lerp(state["momentum"], momentum)
        change /= change.norm() + 1e-7
        return change


def _wide(matrix: Tensor) -> Tensor:
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
