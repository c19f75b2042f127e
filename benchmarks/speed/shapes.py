"""Gemma sizes that the benchmark creates with random weights, as speed does not depend on training.

`2b` and `7b` are CodeGemma's own (a test compares their sums with KerasHub's counts). `270m` has the
numbers of Gemma 3 270M in Gemma 1's block. `20m` is about the smallest whose weights exceed a CPU's
second-level cache; `40m` is the smallest with CodeGemma's vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers of a `GemmaBackbone`, under KerasHub's names.

    Attributes:
        intermediate_dim: gate and value of the feed-forward layer together, as KerasHub counts it: twice
            what other libraries call the intermediate size.
        context_length: in tokens; as stated in the created preset.
    """

    name: str
    vocabulary_size: int
    num_layers: int
    hidden_dim: int
    num_query_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_dim: int
    context_length: int = 2048

    @property
    def parameters(self) -> int:
        """The number of weights; the embedding is shared with the output, so it counts once."""
        queries = self.num_query_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        attention = self.hidden_dim * (2 * queries + 2 * keys)
        feed_forward = 3 * self.hidden_dim * self.intermediate_dim // 2
        norms = 2 * self.hidden_dim
        layers = self.num_layers * (attention + feed_forward + norms)
        return self.vocabulary_size * self.hidden_dim + layers + self.hidden_dim


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            name="20m",
            vocabulary_size=8192,
            num_layers=8,
            hidden_dim=384,
            num_query_heads=6,
            num_key_value_heads=1,
            head_dim=64,
            intermediate_dim=3072,
        ),
        Shape(
            name="40m",
            vocabulary_size=256_000,
            num_layers=8,
            hidden_dim=128,
            num_query_heads=2,
            num_key_value_heads=1,
            head_dim=64,
            intermediate_dim=4096,
        ),
        Shape(
            name="270m",
            vocabulary_size=256_000,
            num_layers=18,
            hidden_dim=640,
            num_query_heads=4,
            num_key_value_heads=1,
            head_dim=256,
            intermediate_dim=4096,
        ),
        Shape(
            name="2b",
            vocabulary_size=256_000,
            num_layers=18,
            hidden_dim=2048,
            num_query_heads=8,
            num_key_value_heads=1,
            head_dim=256,
            intermediate_dim=32_768,
            context_length=8192,
        ),
        Shape(
            name="7b",
            vocabulary_size=256_000,
            num_layers=28,
            hidden_dim=3072,
            num_query_heads=16,
            num_key_value_heads=16,
            head_dim=256,
            intermediate_dim=49_152,
            context_length=8192,
        ),
    )
}
