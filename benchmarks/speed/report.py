"""Report of a run in Markdown: medians, with the lowest and the highest round where these differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Numbers = dict[str, Any] | None
"""A `figures.Figure` in JSON."""


def markdown(report: dict[str, Any]) -> str:
    """Return the whole report.

    Args:
        report: the output of `--json`.
    """
    parts = [
        f"# Benchmark: {report['model']['name']} on {_device(report)}",
        _about(report),
    ]
    if _measured(report["rows"]):
        compared = [row for row in report["rows"] if row["speed"]]
        if _measured(compared):
            parts += ["## Speed", _speed(compared), "## Cost", _cost(compared)]
            parts.append(_footnotes(report))
        parts += ["## Tokens", _tokens(report["rows"])]
    if report["http"]:
        parts += ["## Over HTTP", _http(report["http"])]
    if report["sweeps"]:
        parts += ["## Settings of the peers", _sweeps(report["sweeps"])]
    if report["comparisons"]:
        parts += ["## With and without", _comparisons(report["comparisons"])]
    if report["typing"]:
        parts += ["## While a person types", _typing(report)]
    failed = [row for row in report["rows"] if row["error"]]
    if failed:
        parts += [
            "## What went wrong",
            _lines(f"`{row['name']}`: {row['error']}" for row in failed),
        ]
    if report["skipped"]:
        missing = (f"`{one['subject']}`: {one['needs']}" for one in report["skipped"])
        parts += ["## Not measured", _lines(missing)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, first column left-aligned, others right-aligned, padded as plain text too."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        return f"| {' | '.join(aligned)} |"

    rule = f"|{'-' * (widths[0] + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in widths[1:])
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def spread(numbers: Numbers, scale: float = 1.0) -> str:
    """Return a figure as a cell: `3.2 (3.1–3.4)`, `3.2` if the rounds agree, `–` if there is none.

    Args:
        numbers: of the figure.
        scale: factor: 1000 shows seconds as milliseconds.
    """
    if numbers is None:
        return "–"
    middle, low, high = (number(scale * numbers[name]) for name in ("median", "low", "high"))
    return middle if low == high else f"{middle} ({low}–{high})"


def number(value: float) -> str:
    """Return three digits, or all digits before the point: `0.0123`, `3.2`, `212`, `1,480`."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 if abs(value) < 1 else 3
    return f"{value:.{digits}g}" if abs(value) < 1e-3 else f"{float(f'{value:.{digits}g}'):g}"


def size(value: float) -> str:
    """Return bytes in a readable unit."""
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= bytes_:
            return f"{number(value / bytes_)} {unit}"
    return f"{value:.0f} B"


def _about(report: dict[str, Any]) -> str:
    model, machine, chosen = report["model"], report["machine"], report["settings"]
    facts = [
        f"{report['started']}, {report['seconds'] / 60:.0f} min, {chosen['rounds']} rounds, "
        "one process at a time, medians over rounds (lowest–highest).",
        f"Model: {model['name']}"
        + (f", {model['parameters'] / 1e6:,.1f}M parameters" if model["parameters"] else "")
        + (", random weights" if model["random"] else "")
        + f"; preset digest {model['digest']}.",
        f"Machine: {machine['cpu']}, {chosen['threads']} of {machine['cores']} cores used "
        f"({', '.join(machine['features']) or 'no vector extensions known'}), "
        + (f"{size(machine['memory_bytes'])} memory, " if machine["memory_bytes"] else "")
        + f"last cache {size(machine['cache_bytes'])}"
        + "".join(f", {card['name']}" for card in machine["gpus"])
        + f"; {machine['system']}; {machine['load']} cores busy before the run.",
        "Versions: " + ", ".join(f"{name} {one}" for name, one in report["versions"].items()) + ".",
        _bandwidth(report["bandwidth"]),
        _control(report["control"]),
    ]
    text = _lines(fact for fact in facts if fact)
    if chosen["quick"]:
        text = (
            "**A quick run: it shows that everything works, and its figures say little.**\n\n"
            + text
        )
    if report["interrupted"]:
        text = "**The run was interrupted: this is what there was by then.**\n\n" + text
    return text


def _bandwidth(bandwidth: dict[str, Any] | None) -> str:
    if bandwidth is None:
        return ""
    verb = "Reading" if bandwidth["kind"] == "read" else "Copying (read and written bytes together)"
    each = (
        f"{spread(rate['bytes_per_s'], 1e-9)} GB/s over {size(rate['array_bytes'])}"
        for rate in bandwidth["rates"]
    )
    return f"{verb}: {'; '.join(each)}."


def _speed(rows: Sequence[dict[str, Any]]) -> str:
    lengths = _keys(rows, "first_token_s")
    counts = _keys(rows, "whole_s")
    header = [
        *("subject", "first token, cold (ms)"),
        *(f"first token, {length} in (ms)" for length in lengths),
        *("tokens/s", "between tokens p50 (ms)", "p99 (ms)"),
        *(f"{count} tokens (ms)" for count in counts),
    ]
    cells = [
        [
            row["name"],
            spread(row["first_token_cold_s"], 1e3),
            *(spread(_at(row, "first_token_s", length), 1e3) for length in lengths),
            spread(row["tokens_per_s"]),
            spread(row["inter_token_p50_s"], 1e3),
            spread(row["inter_token_p99_s"], 1e3),
            *(spread(_at(row, "whole_s", count), 1e3) for count in counts),
        ]
        for row in _measured(rows)
    ]
    return table(header, cells)


def _cost(rows: Sequence[dict[str, Any]]) -> str:
    cuda = any(row["device_peak_bytes"] for row in _measured(rows))
    sizes = any(row["share_of_own_size"] != row["share_of_memory"] for row in _measured(rows))
    header = [
        *("subject", "start (s)", "again (s)", "compile, warm up (s)", "peak memory (MB)"),
        *(["peak on the card (MB)"] if cuda else []),
        *("weights (MB)", "weights read (GB/s)", "of memory (%)"),
        *(["of their own size (%)"] if sizes else []),
    ]
    cells = [
        [
            row["name"],
            spread(row["start_s"]),
            spread(row["start_again_s"]),
            spread(row["compile_s"]),
            spread(row["peak_bytes"], 1e-6),
            *([spread(row["device_peak_bytes"], 1e-6)] if cuda else []),
            number(row["weight_bytes"] / 1e6),
            spread(row["weight_bytes_per_s"], 1e-9),
            spread(row["share_of_memory"], 100),
            *([spread(row["share_of_own_size"], 100)] if sizes else []),
        ]
        for row in _measured(rows)
    ]
    return table(header, cells)


def _same(row: dict[str, Any]) -> str:
    same = row["same_tokens"]
    if same is None or not same["compared"]:
        return "–"
    if same["same"] == same["compared"]:
        return "reference" if same["reference"] == row["name"] else f"all {same['compared']:,}"
    return f"{same['same']:,} of {same['compared']:,}"


def _footnotes(report: dict[str, Any]) -> str:
    lines = [
        "First token: from the request to the first token; cold is the first request of a process, with "
        "what compiles then, and the others are later prompts it has not seen. `n` tokens: end to end.",
        "Share: weights read, as part of what reading memory reached in the same round (`of memory`), and "
        "of what reading an array of the weights' size reached, which a cache may hold.",
    ]
    notes: dict[str, list[str]] = {}
    for row in _measured(report["rows"]):
        if row["note"]:
            notes.setdefault(row["note"], []).append(row["name"])
    lines += [f"{', '.join(names)}: {note}." for note, names in notes.items()]
    return _lines(lines)


def _tokens(rows: Sequence[dict[str, Any]]) -> str:
    reference = next((row["same_tokens"] for row in rows if row.get("same_tokens")), None)
    if reference is None:
        return "There was no reference."
    text = (
        "Greedy tokens before the first one that differs from those of "
        f"`{reference['reference']}`, over all prompts. llama.cpp's server is held up to the first stop "
        "token: it generates none. llama.cpp-f32-exact has a KV cache in float32, without flash attention."
    )
    cells = ([row["name"], _same(row)] for row in _measured(rows))
    return f"{text}\n\n{table(['subject', 'tokens as the reference'], cells)}"


def _http(found: Sequence[dict[str, Any]]) -> str:
    text = (
        "The page and llama.cpp's own server with the peer's weights and settings, asked in turns by the "
        "same client. Ratios are the peer's time in the page's: above 1 the page is faster."
    )
    requests = [
        [
            f"{one['subject']}, {kind}",
            one["peer"],
            spread(each["first_s"], 1e3),
            spread(each["peer_first_s"], 1e3),
            spread(each["first_ratio"]),
            spread(each["whole_s"], 1e3),
            spread(each["peer_whole_s"], 1e3),
            spread(each["whole_ratio"]),
            str(each["pairs"]),
        ]
        for one in found
        for kind, each in one["requests"].items()
    ]
    header = [
        *("request", "peer", "first token (ms)", "peer's (ms)", "ratio"),
        *("whole (ms)", "peer's (ms)", "ratio", "pairs"),
    ]
    starts = [
        [f"{one['subject']}, {kind}", spread(each["first_s"]), spread(each["compiled_s"])]
        for one in found
        for kind, each in one["starts"].items()
    ]
    together = [
        [f"{one['subject']}, {server}", *(spread(each[name]) for name in ("one", "many", "ratio"))]
        for one in found
        for server, each in one["together"].items()
    ]
    after = "process start to first completion (s)", "from there until all is compiled (s)"
    streams = "one stream (tokens/s)", "eight together (tokens/s)", "ratio"
    return "\n\n".join(
        (text, table(header, requests), table(["start", *after], starts))
        + ((table(["server", *streams], together),) if together else ())
    )


def _sweeps(found: Sequence[dict[str, Any]]) -> str:
    text = (
        "Each setting's values were tried in turns, with the best of the settings above it: the fastest "
        "decode, and of those within 3% the earliest first token. The rows above have the chosen ones."
    )

    def words(settings: dict[str, str]) -> str:
        return ", ".join(f"{name} {value}" for name, value in settings.items())

    cells = [
        [
            one["subject"],
            words(each["settings"]) + (" (chosen)" if each["settings"] == one["chosen"] else ""),
            each["error"] or number(each["tokens_per_s"]),
            "–" if each["error"] else number(1e3 * each["first_token_s"]),
        ]
        for one in found
        for each in one["tried"]
    ]
    header = ["subject", "settings", "tokens/s", "first token, 200 in (ms)"]
    return f"{text}\n\n{table(header, cells)}"


def _control(control: dict[str, Any] | None) -> str:
    if control is None:
        return ""
    dropped = {0: "", 1: "; one round was made again"}.get(
        control["dropped"], f"; {control['dropped']} rounds were made again"
    )
    return (
        f"Control: `{control['subject']}` before and after each round, {spread(control['tokens_per_s'])} "
        f"tokens/s, a drift of {control['drift']:.0%}{dropped}."
    )


def _comparisons(found: Sequence[dict[str, Any]]) -> str:
    def cell(one: dict[str, Any], which: str) -> str:
        unit, scale = (" tokens/s", 1.0) if one["unit"] == "tokens/s" else (" ms", 1e3)
        return spread(one[which], scale) + unit

    return table(
        ["subject", "feature", "without", "with", "with/without", "same tokens"],
        [
            [
                one["subject"],
                one["comparison"],
                cell(one, "without"),
                cell(one, "with"),
                spread(one["ratio"]),
                "yes" if one["same_tokens"] else "no",
            ]
            for one in sorted(found, key=lambda one: one["comparison"])
        ],
    )


def _typing(report: dict[str, Any]) -> str:
    most = report["settings"]["plan"]["typing_tokens"]
    text = (
        f"From a keystroke to its finished completion, {most} tokens or a stop token; every keystroke of the "
        "trace asks for one."
    )
    cells = [
        [
            one["subject"],
            one["layout"].upper(),
            spread(one["median_s"], 1e3),
            spread(one["p90_s"], 1e3),
            number(100 * one["before_next_key"]),
            number(one["new_tokens"]),
            str(one["keystrokes"]),
        ]
        for one in report["typing"]
    ]
    header = [
        *("subject", "order", "median (ms)", "p90 (ms)", "there before the next key (%)"),
        *("tokens, mean", "keystrokes"),
    ]
    return f"{text}\n\n{table(header, cells)}"


def _measured(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if "tokens_per_s" in row]


def _keys(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    """Return the token counts of a figure, as JSON keys."""
    return sorted({key for row in _measured(rows) for key in row[name]}, key=int)


def _at(row: dict[str, Any], name: str, key: str) -> Numbers:
    found: Numbers = row[name].get(key)
    return found


def _device(report: dict[str, Any]) -> str:
    if report["settings"]["device"] == "cuda":
        return str(report["machine"]["gpus"][0]["name"])
    return str(report["machine"]["cpu"])


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
