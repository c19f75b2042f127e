"""The Gemma architecture as a trainer wants it: flat tokens, packed samples, one loss. PyTorch.

A step reads N tokens of samples laid end to end, with no padding; attention sees one sample at a time. All
else works on N x dim matrices of one shape, so that the compiler makes each piece once. The same weights give
the same logits in KerasHub's `GemmaCausalLM` (`training.export`, and a test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """A Gemma's sizes; `feed_forward` is the width of the gate, half of KerasHub's `intermediate_dim`."""

    vocabulary: int = 8192
    layers: int = 6
    dim: int = 256
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    feed_forward: int = 512


def _norm(x: Tensor, scale: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + scale)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding; x is N x heads x head_dim, cos and sin are N x 1 x head_dim / 2."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Block(nn.Module):
    """One decoder layer, in the two pieces that stand before and after attention."""

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


def _enter(
    x: Tensor, scale: Tensor, qkv: Tensor, cos: Tensor, sin: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of N tokens, each N x heads x head_dim."""
    heads, kv_heads, head_dim = shape
    rows = functional.linear(_norm(x, scale), qkv).view(-1, heads + 2 * kv_heads, head_dim)
    q, k, v = torch.split(rows, [heads, kv_heads, kv_heads], 1)  # type: ignore[no-untyped-call]
    return _rotate(q, cos, sin), _rotate(k, cos, sin), v


def _leave(
    x: Tensor,
    attended: Tensor,
    output: Tensor,
    scale: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
) -> Tensor:
    x = x + functional.linear(attended, output)
    normed = _norm(x, scale)
    gated = functional.gelu(functional.linear(normed, gate), approximate="tanh")
    return x + functional.linear(gated * functional.linear(normed, up), down)


def attend(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    """Causal attention within each of the samples that lie end to end; returns N x (heads * head_dim)."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    pieces = []
    for one in zip(*(torch.split(part, list(lengths)) for part in (q, k, v)), strict=True):
        q1, k1, v1 = (part.transpose(0, 1).unsqueeze(0) for part in one)
        done = functional.scaled_dot_product_attention(q1, k1, v1, is_causal=True)
        pieces.append(done.squeeze(0).transpose(0, 1))
    return torch.cat(pieces).flatten(1)


class _LinearCrossEntropy(torch.autograd.Function):
    """Weighted cross entropy of tied logits, portion by portion: the N x vocabulary logits never all exist.

    The gradients are made on the way forward, while a portion's logits are at hand.
    """

    PORTION = 2048

    @staticmethod
    def forward(ctx, hidden, embedding, targets, weights):  # type: ignore[no-untyped-def]
        total = weights.sum()
        losses, grad_hidden = [], torch.empty_like(hidden)
        grad_embedding = torch.zeros_like(embedding)
        step = _LinearCrossEntropy.PORTION
        for start in range(0, len(hidden), step):
            part = slice(start, start + step)
            logits = hidden[part] @ embedding.T
            top = logits.amax(1, keepdim=True)
            target = logits.gather(1, targets[part, None])
            probability = logits.sub_(top).exp_()
            sums = probability.sum(1, keepdim=True)
            losses.append((sums.log() + top - target).squeeze(1))
            scale = (weights[part] / total)[:, None]
            probability.mul_(scale / sums)
            probability.scatter_add_(1, targets[part, None], -scale)
            grad_hidden[part] = probability @ embedding
            grad_embedding.addmm_(probability.T, hidden[part])
        ctx.save_for_backward(grad_hidden, grad_embedding)
        loss = torch.cat(losses)
        return (loss * weights).sum() / total, loss

    @staticmethod
    def backward(ctx, grad, _):  # type: ignore[no-untyped-def]
        grad_hidden, grad_embedding = ctx.saved_tensors
        return grad_hidden * grad, grad_embedding * grad, None, None


class Gemma(nn.Module):
    """Gemma, decoder only, with tied embeddings."""

    def __init__(self, shape: Shape, compiled: bool = True) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.dim) * 0.02)
        self._layers = [Block(shape) for _ in range(shape.layers)]
        self.blocks = nn.ModuleList(self._layers)
        self.final = nn.Parameter(torch.zeros(shape.dim))
        prepare = torch.compile if compiled else lambda function: function
        self._enter, self._leave, self._norm = prepare(_enter), prepare(_leave), prepare(_norm)

    def hidden(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Final hidden states, N x dim, of samples of `lengths` tokens that lie end to end in `ids`."""
        shape = self.shape
        x = functional.embedding(ids, self.embedding) * math.sqrt(shape.dim)
        cos, sin = self._rotations(ids.device, lengths)
        sizes = (shape.heads, shape.kv_heads, shape.head_dim)
        for block in self._layers:
            q, k, v = self._enter(x, block.pre_attention, block.qkv, cos, sin, sizes)
            attended = attend(q, k, v, lengths)
            x = self._leave(
                x,
                attended,
                block.output,
                block.pre_feed_forward,
                block.gate,
                block.up,
                block.down,
            )
        return self._norm(x, self.final)

    def _rotations(self, device: torch.device, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        half = self.shape.head_dim // 2
        positions = torch.cat([torch.arange(length, device=device) for length in lengths])
        speeds = 10_000.0 ** (-torch.arange(half, device=device) / half)
        angles = (positions[:, None] * speeds)[:, None, :]
        return angles.cos(), angles.sin()

    def loss(
        self, ids: Tensor, targets: Tensor, weights: Tensor, lengths: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """The weighted mean loss, and the loss of each token, in nats.

        Args:
            ids: N token ids.
            targets: the ids that follow them.
            weights: what each target counts; 0 leaves it out.
            lengths: tokens of each sample, N together.
        """
        hidden = self.hidden(ids, lengths)
        return _LinearCrossEntropy.apply(hidden, self.embedding, targets, weights)  # type: ignore[no-any-return,no-untyped-call]

    def logits(self, ids: Tensor) -> Tensor:
        """Logits of one sample, N x vocabulary."""
        return self.hidden(ids, [len(ids)]) @ self.embedding.T
