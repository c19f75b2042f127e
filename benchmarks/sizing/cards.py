"""NVIDIA cards for rent, and estimates of a model's speed on them. Pure.

Compute capability: https://developer.nvidia.com/cuda-gpus. Memory: as listed by `nvidia-smi`, in MiB, with
error correction on. Bandwidth: the data sheets, https://www.nvidia.com/en-us/data-center/tesla-t4/,
.../l4/ and .../a100/.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui.presets import Preset


@dataclass(frozen=True)
class Card:
    """A card.

    Attributes:
        name: its common name.
        capability: CUDA compute capability, major and minor.
        memory_bytes: of the card.
        bandwidth: of its memory, in bytes per second.
    """

    name: str
    capability: tuple[int, int]
    memory_bytes: int
    bandwidth: float


CARDS = (
    Card("T4", (7, 5), 15_360 * 2**20, 300e9),
    Card("L4", (8, 9), 23_034 * 2**20, 300e9),
    Card("A100 40 GB", (8, 0), 40_960 * 2**20, 1_555e9),
    Card("A100 80 GB", (8, 0), 81_920 * 2**20, 1_935e9),
)


def fits(preset: Preset, dtype: str, card: Card) -> bool:
    """Return whether weights, a full cache and a tenth more fit, by the playground's own estimate."""
    need = preset.memory_bytes(dtype, dtype)
    return need is not None and need <= card.memory_bytes


def most_tokens_per_second(preset: Preset, dtype: str, card: Card) -> float:
    """Return an upper bound, not a measurement: each token reads every weight once from the card's memory."""
    weights = preset.weights_bytes(dtype)
    assert weights
    return card.bandwidth / weights
