"""Environment for commands that report what is missing, and so must run without it."""

from __future__ import annotations

import argparse
import os

from codegemma_ui.machine import BACKENDS, OPENAI


def without_what_is_missing(parsed: argparse.Namespace) -> dict[str, str]:
    """Return the environment without a preset or backend that is only missing here.

    `doctor` and `presets` must run anyway, to report that. A backend that does not exist is refused as
    everywhere.
    """
    ours, theirs = "CODEGEMMA_UI_BACKEND", "KERAS_BACKEND"
    kept = {name: value for name, value in os.environ.items() if name != "CODEGEMMA_UI_PRESET"}
    chosen = kept.get(ours) or kept.get(theirs) or BACKENDS[0]
    server = vars(parsed).get("openai_base_url") or kept.get("CODEGEMMA_UI_OPENAI_BASE_URL")
    if chosen == OPENAI and not server:
        kept |= {ours: "", theirs: ""}
    if kept.get("CODEGEMMA_UI_MODEL_PARALLEL") and chosen in (*BACKENDS, OPENAI):
        kept[ours] = "jax"  # to which that setting belongs
    return kept
