"""Plot of a run: bars with their spread, and the limit set by memory bandwidth."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLOURS = {
    "engine": "#2a7f62",
    "worker": "#2a7f62",
    "kerashub": "#4a7ebb",
    "transformers": "#c98a2b",
    "llama.cpp": "#8a5aa8",
}
"""One colour per family, legible on white."""

_INK = "#30343a"
_FAINT = "#d9dce1"


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw speed, weights read and first token of every subject, and the typing trace if there is one.

    Args:
        report: the output of `--json`.
        path: the PNG to write.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    rows = [row for row in report["rows"] if row.get("tokens_per_s")]
    rows.sort(key=lambda row: row["tokens_per_s"]["median"])
    typed = sorted(report["typing"], key=lambda one: -one["median_s"]["median"])
    parts = [(part, values) for part, values in ((_speeds, rows), (_typing, typed)) if values]
    if not parts:
        return

    style = {"axes.edgecolor": _FAINT, "text.color": _INK, "font.size": 9.0}
    style |= dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    heights = [max(2, len(values)) for _, values in parts]
    with pyplot.rc_context(style):
        figure = pyplot.figure(
            figsize=(13, 0.7 + 0.26 * sum(heights) + 0.9 * len(heights)), layout="constrained"
        )
        figure.suptitle(_title(report), x=0.01, ha="left", fontsize=11, fontweight="bold")
        canvases = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
        for canvas, (part, values) in zip(canvases, parts, strict=True):
            part(canvas, values, report)
        figure.savefig(path, dpi=150, facecolor="white")
        pyplot.close(figure)


def _title(report: dict[str, Any]) -> str:
    model, chosen = report["model"], report["settings"]
    where = report["machine"]["cpu"]
    if chosen["device"] == "cuda":
        where = report["machine"]["gpus"][0]["name"]
    weights = " (random weights)" if model["random"] else ""
    threads = f"{chosen['threads']} thread{'s' * (chosen['threads'] > 1)}"
    kind = ", quick run" if chosen["quick"] else ""
    return f"{model['name']}{weights} · {where}, {threads}{kind}"


def _speeds(canvas: Any, rows: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    usual = report["settings"]["plan"]["cases"][0]["prompt_tokens"]
    panels = canvas.subplots(1, 3, sharey=True)
    _bars(panels[0], rows, [row["tokens_per_s"] for row in rows], 1.0, "tokens a second")
    _bars(
        panels[1],
        rows,
        [row["weight_bytes_per_s"] for row in rows],
        1e-9,
        "weights read, GB/s",
    )
    _ceilings(panels[1], report)
    _first_tokens(panels[2], rows, usual)


def _first_tokens(panel: Any, rows: Sequence[dict[str, Any]], usual: int) -> None:
    """Draw dots, as the scale has no zero; without streaming there is no first token."""
    ticker = importlib.import_module("matplotlib.ticker")
    for place, row in enumerate(rows):
        value = row["first_token_s"].get(str(usual))
        if value is None or not row["streams"]:
            continue
        middle, low, high = (1e3 * value[name] for name in ("median", "low", "high"))
        panel.hlines(place, low, high, color=_INK, linewidth=1)
        panel.plot(middle, place, "o", markersize=7, color=COLOURS[row["family"]])
        _label(panel, middle, high, place)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
    panel.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    _finish(panel, rows, f"first token of a new prompt of {usual}, ms")


def _typing(canvas: Any, typed: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    families = {row["name"]: row["family"] for row in report["rows"]}
    rows = [
        {"name": f"{one['subject']} {one['layout'].upper()}", "family": families[one["subject"]]}
        for one in typed
    ]
    panels = canvas.subplots(1, 2, sharey=True)
    for panel, name, label in zip(
        panels, ("median_s", "p90_s"), ("median", "90th percentile"), strict=True
    ):
        values = [one[name] for one in typed]
        _bars(panel, rows, values, 1e3, f"keystroke to completion, {label}, ms")


def _bars(
    panel: Any,
    rows: Sequence[dict[str, Any]],
    values: Sequence[dict[str, Any] | None],
    scale: float,
    label: str,
) -> None:
    """Draw one bar per row, with a line from the lowest to the highest round."""
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is None:
            continue
        middle, low, high = (scale * value[name] for name in ("median", "low", "high"))
        panel.barh(
            place,
            middle,
            height=0.66,
            color=COLOURS[row["family"]],
            xerr=[[middle - low], [high - middle]],
            error_kw={"ecolor": _INK, "elinewidth": 1, "capsize": 2},
        )
        _label(panel, middle, high, place)
    _finish(panel, rows, label)


def _label(panel: Any, middle: float, high: float, place: int) -> None:
    """Write the median to the right of its row."""
    panel.annotate(
        f"{middle:,.3g}" if middle < 1000 else f"{middle:,.0f}",
        (high, place),
        va="center",
        fontsize=8,
        xytext=(6, 0),
        textcoords="offset points",
    )


def _finish(panel: Any, rows: Sequence[dict[str, Any]], label: str) -> None:
    """Add names on the left and a light grid, and remove the frame."""
    panel.set_yticks(range(len(rows)), [row["name"] for row in rows])
    panel.set_ylim(-0.6, len(rows) - 0.4)
    panel.set_xlabel(label)
    panel.margins(x=0.14)
    panel.grid(axis="x", color=_FAINT, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(length=0)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _ceilings(panel: Any, report: dict[str, Any]) -> None:
    """Draw a line at the memory bandwidth, and a fainter one for an array of the weights' size."""
    if report["bandwidth"] is None:
        return
    memory, *own = report["bandwidth"]["rates"]
    lines = [(memory, "-", f"memory ({report['bandwidth']['kind']})")]
    lines += [(rate, ":", f"{rate['array_bytes'] / 1e6:,.0f} MB array") for rate in own[:1]]
    for rate, style, label in lines:
        speed = rate["bytes_per_s"]["median"] / 1e9
        panel.axvline(speed, color="#b3372f", linestyle=style, linewidth=1.2, label=label)
    panel.legend(loc="lower right", facecolor="white", edgecolor="none", framealpha=1, fontsize=8)
