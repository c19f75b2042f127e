"""The Gemma architecture for training: a batch of samples of similar length, one loss. PyTorch.

Shorter samples are padded at their end, where causality hides the padding and a weight of 0 excludes it from
the loss. The parts of a layer before and after attention are compiled once, for any shape. The same weights
give the same logits in KerasHub's `GemmaCausalLM` (`training.export`, and a test).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.attention import attend


@dataclass(frozen=True)
class Shape:
    """A Gemma's sizes; `feed_forward` is the width of the gate, half of KerasHub's `intermediate_dim`."""

    vocabulary: int = 8192
    layers: int = 6
    dim: int = 256
    heads: int = 4
    kv_heads: int = 4
    head_dim: int = 64
    feed_forward: int = 512


def _norm(x: Tensor, scale: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + scale)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    return turned.to(x.dtype)


class _Rotate(torch.autograd.Function):  # type: ignore[misc]
    """Rotary embedding; x is batch x heads x length x size, cos and sin are length x size / 2.

    The backward pass is the inverse rotation: stated explicitly, it takes a seventh of the derived code's
    time.
    """

    @staticmethod
    def forward(ctx, x, cos, sin, turn):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(cos, sin)
        ctx.turn = turn
        return turn(x, cos, sin)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        cos, sin = ctx.saved_tensors
        return ctx.turn(gradient, cos, -sin), None, None, None


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, turn: Callable[..., Tensor]) -> Tensor:
    return _Rotate.apply(x, cos, sin, turn)  # type: ignore[no-any-return,no-untyped-call]


class Block(nn.Module):  # type: ignore[misc]
    """One decoder layer, as two parts before and after attention."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, kv_width = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.pre_attention = nn.Parameter(torch.zeros(shape.dim))
        self.qkv = nn.Parameter(_uniform(width + 2 * kv_width, shape.dim))
        self.output = nn.Parameter(torch.zeros(shape.dim, width))
        self.pre_feed_forward = nn.Parameter(torch.zeros(shape.dim))
        self.gate = nn.Parameter(_uniform(shape.feed_forward, shape.dim))
        self.up = nn.Parameter(_uniform(shape.feed_forward, shape.dim))
        self.down = nn.Parameter(torch.zeros(shape.dim, shape.feed_forward))


def _uniform(rows: int, columns: int) -> Tensor:
    return (torch.rand(rows, columns) * 2 - 1) * math.sqrt(3 / columns)


def _enter(x: Tensor, scale: Tensor, qkv: Tensor) -> Tensor:
    """Return queries, keys and values, batch x length x all heads' sizes."""
    return functional.linear(_norm(x, scale), qkv)


def _leave(
    x: Tensor,
    attended: Tensor,
    output: Tensor,
    scale: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
) -> Tensor:
    """Return the layer's output; attended is batch x heads x length x size."""
    x = x + functional.linear(attended.transpose(1, 2).flatten(2), output)
    normed = _norm(x, scale)
    gated = functional.gelu(functional.linear(normed, gate), approximate="tanh")
    return x + functional.linear(gated * functional.linear(normed, up), down)


MAX_LOGIT = 80.0
"""Upper limit of logits: their exponentials stay finite without computing each row's maximum."""


def _cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each row, and weighted probabilities: the logits' gradient without the targets' own
    part."""
    wide = logits.float().clamp(max=MAX_LOGIT)
    probability = wide.exp()
    sums = probability.sum(1, keepdim=True)
    losses = (sums.log() - wide.gather(1, targets[:, None])).squeeze(1)
    return losses, (probability * (weights[:, None] / sums)).to(logits.dtype)


class SoftTargets(NamedTuple):
    """A teacher's likeliest tokens as targets.

    Attributes:
        ids: tokens x count ids.
        probabilities: of that shape; each row sums to 1.
        share: their share of the loss; the text's own token has the rest.
    """

    ids: Tensor
    probabilities: Tensor
    share: float


class _LinearCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Weighted cross entropy of tied logits, in portions: the logits of all tokens never exist at once.

    The gradients are computed in the forward pass, while a portion's logits are in the cache. With a
    teacher's tokens as further targets, they are those of the mixture; the losses stay those of the targets.
    """

    PORTIONS: ClassVar = {"cpu": 512, "cuda": 16384}  # rows

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, hidden, embedding, targets, weights, cross_entropy, soft, share
    ):
        table = embedding.to(hidden.dtype)
        portion = _LinearCrossEntropy.PORTIONS[hidden.device.type]
        losses, grad_hidden = [], torch.empty_like(hidden)
        grad_embedding = torch.zeros_like(embedding)
        places = torch.arange(portion, device=hidden.device)
        for start in range(0, len(hidden), portion):
            part = slice(start, start + portion)
            loss, gradient = cross_entropy(hidden[part] @ table.T, targets[part], weights[part])
            own = weights[part] if soft is None else weights[part] * (1 - share)
            gradient[places, targets[part]] -= own.to(gradient.dtype)
            if soft is not None:
                ids, probabilities = (one[part] for one in soft)
                theirs = weights[part, None] * share * probabilities
                gradient.scatter_add_(1, ids, -theirs.to(gradient.dtype))
            grad_hidden[part] = gradient @ table
            grad_embedding += gradient.T @ hidden[part]
            losses.append(loss)
        ctx.save_for_backward(grad_hidden, grad_embedding)
        loss = torch.cat(losses)
        return (loss * weights).sum(), loss

    @staticmethod
    def backward(ctx, grad, _):  # type: ignore[no-untyped-def]
        grad_hidden, grad_embedding = ctx.saved_tensors
        return grad_hidden * grad, grad_embedding * grad, *[None] * 5


class Gemma(nn.Module):  # type: ignore[misc]
    """Gemma, decoder only, with tied embeddings."""

    def __init__(self, shape: Shape, compiled: bool = True) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.dim) * 0.02)
        self._layers = [Block(shape) for _ in range(shape.layers)]
        self.blocks = nn.ModuleList(self._layers)
        self.final = nn.Parameter(torch.zeros(shape.dim))

        def prepare(function: Callable[..., Any]) -> Callable[..., Any]:
            return torch.compile(function, dynamic=True) if compiled else function

        self._enter, self._leave, self._norm = prepare(_enter), prepare(_leave), prepare(_norm)
        self._turn = prepare(_turn)
        # Its shape never changes, and code for one shape is three times as fast here.
        self._cross_entropy = torch.compile(_cross_entropy) if compiled else _cross_entropy

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the final hidden states, batch x length x dim, of batch x length ids."""
        shape = self.shape
        x = functional.embedding(ids, self.embedding) * math.sqrt(shape.dim)
        heads, size = shape.heads, shape.head_dim
        times = heads // shape.kv_heads
        cos, sin = self._rotations(ids.device, ids.shape[1])
        scaled_cos, scaled_sin = cos * size**-0.5, sin * size**-0.5
        for block in self._layers:
            rows = self._enter(x, block.pre_attention, block.qkv)
            rows = rows.unflatten(-1, (-1, size)).transpose(1, 2)
            q, k, v = (part.contiguous() for part in rows.split([heads, *2 * [shape.kv_heads]], 1))
            q = _rotate(q, scaled_cos, scaled_sin, self._turn)
            k = _rotate(k, cos, sin, self._turn)
            k, v = (part.repeat_interleave(times, 1) if times > 1 else part for part in (k, v))
            attended = attend(*(part.flatten(0, 1) for part in (q, k, v)))
            x = self._leave(
                x,
                attended.view_as(q),
                block.output,
                block.pre_feed_forward,
                block.gate,
                block.up,
                block.down,
            )
        return self._norm(x, self.final)  # type: ignore[no-any-return]

    def _rotations(self, device: torch.device, length: int) -> tuple[Tensor, Tensor]:
        half = self.shape.head_dim // 2
        speeds = 10_000.0 ** (-torch.arange(half, device=device) / half)
        angles = torch.arange(length, device=device)[:, None] * speeds
        return angles.cos(), angles.sin()

    def loss(
        self, ids: Tensor, targets: Tensor, weights: Tensor, soft: SoftTargets | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses, and the loss of each token, in nats.

        Args:
            ids: batch x length token ids.
            targets: the ids that follow them.
            weights: weight of each target, float; 0 excludes it.
            soft: a teacher's targets for each token, which the gradients follow too.
        """
        hidden = self.hidden(ids).flatten(0, 1)
        if torch.is_autocast_enabled(ids.device.type):
            hidden = hidden.to(torch.get_autocast_dtype(ids.device.type))
        count = len(hidden)
        spare = -count % _LinearCrossEntropy.PORTIONS[ids.device.type]
        loss, each = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
            functional.pad(hidden, (0, 0, 0, spare)),
            self.embedding,
            functional.pad(targets.flatten(), (0, spare)),
            functional.pad(weights.flatten(), (0, spare)),
            self._cross_entropy,
            soft and tuple(functional.pad(one, (0, 0, 0, spare)) for one in soft[:2]),
            soft and soft.share,
        )
        return loss, each[:count]

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def likeliest(self, ids: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the likeliest next tokens after each of batch x length ids.

        Returns:
            Their ids and probabilities, both tokens x `count`; the probabilities of a token sum to 1.
        """
        hidden = self.hidden(ids).flatten(0, 1)
        portion = _LinearCrossEntropy.PORTIONS[ids.device.type]
        table = self.embedding.to(hidden.dtype)
        found = [(part @ table.T).float().topk(count) for part in torch.split(hidden, portion)]
        return (
            torch.cat([one.indices for one in found]),
            torch.cat([one.values for one in found]).softmax(-1),
        )

    def logits(self, ids: Tensor) -> Tensor:
        """Return the logits of batch x length ids, batch x length x vocabulary."""
        return self.hidden(ids) @ self.embedding.T
