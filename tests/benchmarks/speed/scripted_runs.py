"""Scripted subjects, and the settings of their runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed.plan import Case, Plan
from benchmarks.speed.runner import Bandwidth, Run
from benchmarks.speed.subjects import Subject
from benchmarks.speed.visit import Setting
from codegemma_ui import presets

SUBJECT = Path(__file__).parent / "scripted_subject.py"

PLAN = Plan(
    cases=(Case(40, 16), Case(24, 16), Case(40, 64)),
    warm=2,
    extra_tokens=16,
    extra_pairs=2,
    typing_moments=3,
)

BANDWIDTH = Bandwidth("read", ((1_000_000_000, 2e9), (4_000_000, 8e9), (2_000_000, 9e9)))


class ScriptedSetting(Setting):
    """Starts the scripted subject; a subject's `mode` selects its script, its settings change the pace."""

    def command(self, subject: Subject, module: str = "") -> list[str]:
        return [sys.executable, str(SUBJECT), subject.mode, json.dumps(self.settings_of(subject))]


def scripted(script: str, name: str = "engine-jax-float32", **changes: object) -> Subject:
    """Return a row of the table whose process follows a script."""
    values = {"family": "engine", "module": "ours", "backend": "jax", "dtype": "float32"}
    return Subject(**values | {"name": name, "mode": script} | changes)  # type: ignore[arg-type]


def setting(time_limit_s: float = 60.0) -> Setting:
    return ScriptedSetting(
        preset_folder=presets.BUNDLED_FOLDER,
        weights={},
        context_length=1024,
        threads=1,
        device="cpu",
        time_limit_s=time_limit_s,
        pythons={},
    )


Measure = Callable[..., Run]
