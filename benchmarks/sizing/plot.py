"""Plot of the results: the longest wait of 95 of 100 requests, against visitors."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

STYLES = {"1": "-", "2": "--", "4": ":"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def draw(rows: list[dict[str, str]], file: Path) -> None:
    """Draw one panel per usage pattern, one colour per engine, one style per number of replicas."""
    habits = list(dict.fromkeys(row["habit"] for row in rows))
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    figure = Figure(figsize=(10, 4.2), layout="tight")
    panels = figure.subplots(1, len(habits), sharey=True)
    for panel, habit in zip(panels, habits, strict=True):
        for colour, engine in zip(COLOURS, engines, strict=True):
            for replicas, style in STYLES.items():
                wanted = {"habit": habit, "engine": engine, "replicas": replicas}
                mine = [row for row in rows if wanted.items() <= row.items()]
                visitors = [int(row["visitors"]) for row in mine]
                waits = [max(0.01, float(row["wait_p95_s"])) for row in mine]
                label = engine if replicas == "1" else None
                panel.plot(visitors, waits, style, color=colour, lw=1.3, label=label)
        panel.axhline(1, color="#888888", lw=0.8)
        panel.set(xscale="log", yscale="log", xlabel="visitors", title=habit, ylim=(0.01, 30))
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("95 of 100 wait less than (s)")
    title = "solid 1 replica, dashed 2, dotted 4"
    panels[0].legend(fontsize=7, title=title, title_fontsize=7)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("RGB").quantize(48).save(file, optimize=True)
