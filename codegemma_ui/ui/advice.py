"""Advice on the precision and the backend of a large model, one sentence each. Pure.

The page, `complete` and `doctor` show the same sentences.
"""

from __future__ import annotations

from codegemma_ui.client.choice import LARGE_TOKENS_PER_S
from codegemma_ui.presets import quality
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.ui.strings import Language, text


def sentences(
    narrowed: Narrowed | None, backend: str | None, faster: str | None, language: Language = "en"
) -> tuple[str, ...]:
    """Return why "auto" chose int8 or int4 and what that costs, and which backend is faster; empty if neither
    applies.

    Args:
        narrowed, faster: as in `messages.Status`.
        backend: of the loaded model.
    """
    advice = []
    if narrowed is not None:
        advice.append(_narrowed(narrowed, backend, language))
    if faster is not None and backend is not None:
        speeds = {
            "speed": f"{LARGE_TOKENS_PER_S[faster]:g}",
            "slower": f"{LARGE_TOKENS_PER_S[backend]:g}",
        }
        advice.append(text("faster_backend", language, name=faster, backend=backend, **speeds))
    return tuple(advice)


def _narrowed(narrowed: Narrowed, backend: str | None, language: Language) -> str:
    """Return the reason in gigabytes, and the cost of that precision for the bundled model, if measured."""
    reason = text(
        "narrowed",
        language,
        dtype=narrowed.dtype,
        wider=narrowed.wider,
        needed=f"{narrowed.needed_bytes / 1e9:.1f}",
        free=f"{narrowed.free_bytes / 1e9:.1f}",
    )
    measured, whole = quality.of(narrowed.dtype, backend), quality.of("float32", backend)
    if measured is None or whole is None:
        return reason
    cost = text(
        "narrowed_cost",
        language,
        dtype=narrowed.dtype,
        exact=f"{measured.exact_match:.1%}",
        exact_in_float32=f"{whole.exact_match:.1%}",
        perplexity=f"{measured.perplexity:.2f}",
        perplexity_in_float32=f"{whole.perplexity:.2f}",
    )
    return f"{reason} {cost}"
