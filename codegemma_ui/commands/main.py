"""The shell's door: `serve` (the default), `complete`, `bench`, `eval`, `export`, `presets`, `doctor`.

Each command imports what it needs and no more, so that `--help` and `presets` answer at once.
Exit codes: 0 done, 1 engine error, 2 bad input, 130 cancelled, 141 where nobody reads what it writes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from codegemma_ui import __version__, fim, installation, secrets, settings
from codegemma_ui.bench.shapes import SHAPES
from codegemma_ui.commands import shell
from codegemma_ui.commands.export import formats
from codegemma_ui.errors import BadInput
from codegemma_ui.machine import console

DONE, ENGINE_ERROR, BAD_INPUT, CANCELLED = 0, 1, 2, 130

COMMANDS = ("serve", "complete", "bench", "eval", "export", "presets", "doctor")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    installation.settle_home()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "serve")
    console.settle()
    os.environ.update(secrets.cleaned(os.environ))
    sys.exit(shell.mannerly(lambda: _run(given)))


def _run(given: Sequence[str]) -> int:
    try:
        parsed = _parser().parse_args(given)
        return int(parsed.run(parsed))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return CANCELLED


def _parser() -> shell.Parser:
    parser = shell.Parser(
        prog=installation.command(),
        description="CodeGemma FIM Playground. Without a command it serves the page.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True)

    serve = commands.add_parser("serve", help="serve the page")
    settings.add_serve_flags(serve)
    serve.set_defaults(run=_serve)

    complete = commands.add_parser("complete", help="fill in one middle, streamed to stdout")
    for side in ("prefix", "suffix"):
        source = complete.add_mutually_exclusive_group()
        source.add_argument(f"--{side}", metavar="TEXT", help="- reads stdin; default empty")
        source.add_argument(f"--{side}-file", metavar="FILE", help="- reads stdin")
    settings.add_model_flags(complete)
    for name, kind, text in (
        ("--max-length", int, "prompt and middle together, in tokens"),
        ("--temperature", float, "0 is greedy"),
        ("--top-k", int, "0 is off"),
        ("--top-p", float, "1 is off"),
        ("--seed", int, "repeat a sample"),
    ):
        complete.add_argument(name, type=kind, default=None, help=text)
    complete.add_argument("--layout", choices=fim.LAYOUTS, help="prompt order; default psm")
    complete.add_argument("--path", help="of the file that is written, for the model to read")
    complete.add_argument(
        "--context-file",
        metavar="FILE",
        action="append",
        help="another file of the project, for the model to read before; may be repeated",
    )
    forced = complete.add_mutually_exclusive_group()
    forced.add_argument("--forced", metavar="TEXT", help="the middle begins with this")
    forced.add_argument(
        "--forced-ids", metavar="ID,ID…", help="the same as token ids, stop tokens among them"
    )
    complete.add_argument(
        "--score", action="store_true", help="tell how likely what is forced is; write nothing"
    )
    complete.add_argument(
        "--no-stop-on-repetition",
        dest="stop_on_repetition",
        action="store_false",
        help="go on where the model writes the same again and again",
    )
    complete.add_argument("--json", action="store_true", help="one event a line")
    complete.set_defaults(run=_complete)

    bench = commands.add_parser("bench", help="measure speed, beside other engines")
    measured = bench.add_mutually_exclusive_group()
    measured.add_argument(
        "--preset",
        help="model: a name, a folder, hf://… or kaggle://… [CODEGEMMA_UI_PRESET, bundled]",
    )
    measured.add_argument("--shape", choices=tuple(SHAPES), help="a Gemma with random weights")
    for name, text in (
        ("--rounds", "how often each subject is visited; default 3, with --quick 1"),
        ("--threads", "cores that a subject may use; default all"),
    ):
        bench.add_argument(name, type=int, help=text)
    bench.add_argument(
        "--out", type=Path, metavar="DIR", help="keep results.json, results.md and plot.png there"
    )
    bench.add_argument(
        "--only", nargs="+", metavar="NAME", help="subjects, or how their names begin: engine-jax"
    )
    bench.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    bench.add_argument(
        "--time-limit", type=float, default=900.0, help="seconds one visit may take; default 900"
    )
    for name, text in (
        ("--quick", "few and short questions: to see that it works"),
        ("--json", "the results as one JSON object instead of Markdown"),
    ):
        bench.add_argument(name, action="store_true", help=text)
    bench.set_defaults(run=_bench)

    # Its own --time-limit: a large model on a CPU is to be slow, not wrong.
    evaluate = commands.add_parser(
        "eval", help="measure a model on infilling tasks", conflict_handler="resolve"
    )
    evaluate.add_argument(
        "--dataset",
        metavar="FILE",
        required=True,
        help="JSON lines in the form of HumanEval-Infilling, plain or gzip",
    )
    settings.add_model_flags(evaluate)
    evaluate.add_argument("--time-limit", default="3600", help="seconds one task may take [3600]")
    evaluate.add_argument("--limit", type=int, metavar="N", help="only the first N tasks")
    evaluate.add_argument(
        "--max-new-tokens", type=int, default=96, help="the most tokens of a middle; default 96"
    )
    evaluate.add_argument(
        "--layout", choices=fim.FIM_LAYOUTS, default="psm", help="prompt order; default psm"
    )
    for name, text in (
        ("--hide-suffix", "ask with an empty suffix"),
        ("--execute", "run each task's test too, in a contained process: pass_at_1"),
        ("--json", "the report as one JSON object"),
    ):
        evaluate.add_argument(name, action="store_true", help=text)
    evaluate.add_argument(
        "--results",
        metavar="FILE",
        help="a line a task; an interrupted run goes on from it; default in eval-results/",
    )
    evaluate.set_defaults(run=_eval)

    export = commands.add_parser("export", help="write a model for llama.cpp or transformers")
    settings.add_preset_flags(export)
    export.add_argument("--format", choices=tuple(formats.FORMATS), required=True)
    export.add_argument(
        "--dtype",
        choices=formats.DTYPES,
        help="of the weights; q8_0 is 8 bits and q4_0 is 4, for gguf; default as the preset has them",
    )
    export.add_argument("--out", metavar="DIR", required=True, help="a new or empty folder")
    export.add_argument("--json", action="store_true", help="what was written as one JSON object")
    export.set_defaults(run=_export)

    presets = commands.add_parser("presets", help="list the models, and the memory they need")
    settings.add_preset_flags(presets)
    presets.add_argument("--json", action="store_true")
    presets.set_defaults(run=_presets)

    doctor = commands.add_parser("doctor", help="what this machine has, and what is missing")
    settings.add_preset_flags(doctor)
    settings.add_server_flags(doctor)
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=_doctor)
    return parser


def _serve(parsed: argparse.Namespace) -> int:
    from codegemma_ui.server import addresses
    from codegemma_ui.ui import gradio_environment

    chosen = settings.resolve(parsed)
    chosen = replace(chosen, port=addresses.check(chosen))
    gradio_environment.settle()
    from codegemma_ui.server import logs
    from codegemma_ui.server.observed import ObservedClient

    logs.configure(chosen.log_level)
    client = ObservedClient(chosen)
    client.start()
    try:
        # Gradio is imported beside the worker's framework: each takes seconds.
        from codegemma_ui.server import serving
        from codegemma_ui.ui import layout

        serving.launch(layout.build(client, chosen), client, chosen)
    finally:
        client.close()
    return DONE


def _complete(parsed: argparse.Namespace) -> int:
    from codegemma_ui.commands import complete

    console.log_what_is_not_told()
    return complete.run(parsed)


def _bench(parsed: argparse.Namespace) -> int:
    from codegemma_ui.commands import bench

    return bench.run(parsed)


def _eval(parsed: argparse.Namespace) -> int:
    from codegemma_ui.commands.evaluate.command import run

    console.log_what_is_not_told()
    return run(parsed)


def _export(parsed: argparse.Namespace) -> int:
    from codegemma_ui.commands.export.command import run

    return run(parsed)


def _presets(parsed: argparse.Namespace) -> int:
    from codegemma_ui import presets
    from codegemma_ui.presets import amounts, memory, quality

    backend = settings.resolve(parsed, _without_what_is_missing(parsed)).backend
    measured = quality.by_precision(memory.precisions(backend), backend)
    of_bundled = {dtype: asdict(one) for dtype, one in measured.items()}
    shown = presets.offered() if parsed.preset is None else (presets.named(parsed.preset),)
    rows = [
        {
            **presets.describe(one),
            "memory_bytes": memory.by_precision(one, backend),
            "quality": of_bundled if one.name == presets.BUNDLED else None,
        }
        for one in shown
    ]
    if parsed.json:
        print(json.dumps(rows, indent=2))
        return DONE
    for row in rows:
        size = amounts.parameters(row["parameters"]) if row["parameters"] else "?"
        download = f"{row['download_bytes'] / 1e9:.1f} GB" if row["download_bytes"] else "none"
        print(f"{row['name']:<32}{size:>7}  download {download:<8} context {row['context_length']}")
        if sizes := memory.sizes(row["memory_bytes"]):
            print(f"{'':<32}memory {sizes}")
        if row["note"]:
            print(f"{'':<32}{row['note']}")
    print(quality.line(measured))
    return DONE


def _doctor(parsed: argparse.Namespace) -> int:
    from codegemma_ui.commands import doctor

    report = doctor.examine(
        settings.resolve(parsed, _without_what_is_missing(parsed)), only=parsed.preset
    )
    print(json.dumps(report, indent=2) if parsed.json else doctor.as_text(report))
    return DONE


def _without_what_is_missing(parsed: argparse.Namespace) -> dict[str, str]:
    """The environment without a preset, or a backend, that only lacks something here: doctor must still run.

    A backend that does not exist is refused as everywhere.
    """
    from codegemma_ui.machine import BACKENDS, OPENAI

    ours, theirs = "CODEGEMMA_UI_BACKEND", "KERAS_BACKEND"
    kept = {name: value for name, value in os.environ.items() if name != "CODEGEMMA_UI_PRESET"}
    chosen = kept.get(ours) or kept.get(theirs) or BACKENDS[0]
    server = vars(parsed).get("openai_base_url") or kept.get("CODEGEMMA_UI_OPENAI_BASE_URL")
    if chosen == OPENAI and not server:
        kept |= {ours: "", theirs: ""}
    if kept.get("CODEGEMMA_UI_MODEL_PARALLEL") and chosen in (*BACKENDS, OPENAI):
        kept[ours] = "jax"  # whose setting that is
    return kept
