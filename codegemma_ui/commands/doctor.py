"""`python -m codegemma_ui doctor`: report what this machine has, and what each model still needs."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from typing import Any

from codegemma_ui import __version__, cache_folder, machine, presets
from codegemma_ui.client.choice import Choice, faster_backend
from codegemma_ui.commands import environment
from codegemma_ui.commands.shell import Commands
from codegemma_ui.download import credentials_present
from codegemma_ui.ipc import parent
from codegemma_ui.machine import framework_variables
from codegemma_ui.presets import Preset, memory, quality
from codegemma_ui.presets.memory import Narrowed
from codegemma_ui.presets.quality import Quality
from codegemma_ui.settings import (
    RemoteServer,
    Settings,
    add_preset_flags,
    add_server_flags,
    resolve,
)
from codegemma_ui.ui import advice


def add_parser(commands: Commands) -> None:
    """Add `doctor` with its flags."""
    parser = commands.add_parser("doctor", help="what this machine has, and what is missing")
    add_preset_flags(parser)
    add_server_flags(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the findings."""
    chosen = resolve(parsed, environment.without_what_is_missing(parsed))
    report = examine(chosen, only=parsed.preset)
    print(json.dumps(report, indent=2) if parsed.json else as_text(report))


def examine(settings: Settings, only: str | None = None) -> dict[str, Any]:
    """Examine backends, devices, memory and credentials; secrets are never output.

    Args:
        only: report this preset only; None for all.

    Returns:
        A JSON object: `version`, `python`, `platform`, `memory` and `gpus` (bytes), `backends`, each with
        whether its programs are `compiled`, or why they are `uncompiled`, both null if it cannot run here;
        `cxx_compiler` (used by torch to compile its CPU step), `credentials` (present or not), `cache` with
        its `folder` and any `problem` that prevents its use, `ignored` with the variables that a worker
        ignores and why, `max_concurrency` and, in `together`, the backends to which it applies, `presets`
        with whether each was `looked_up` (a repository only is once it is chosen), with what is missing for
        each, an empty list if it can run as far as is known, its memory needs by precision (bytes), in `fits`
        the precisions that fit into this machine's memory, and `backend`, `dtype`, `narrowed` and
        `faster_backend` as in `/status`; `quality_of_bundled`, the bundled model's `exact_match` (0 to 1),
        `perplexity` and held-out `tasks` by precision; and `server`, the server of the backend "openai", or
        null.
    """
    main = machine.memory_bytes()
    gpus = machine.gpus()
    credentials = credentials_present()
    free = memory.free_bytes(devices=settings.model_parallel)
    extra = (settings.preset, *settings.extra_presets)
    shown = presets.offered(*extra, most=settings.context_length)
    backends = [machine.backend(name, settings.pythons.get(name)) for name in settings.backends]
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "memory": None if main is None else {"total": main[0], "available": main[1]},
        "gpus": [
            {"name": gpu.name, "total": gpu.memory_bytes, "free": gpu.free_bytes} for gpu in gpus
        ],
        "backends": [
            {
                "name": backend.name,
                "version": backend.version,
                "python": backend.python,
                "install": None if backend.installed else backend.install,
                **_compiling(backend),
            }
            for backend in backends
        ],
        "cxx_compiler": machine.cxx_compiler(),
        "credentials": credentials,
        "cache": _cache(),
        "ignored": framework_variables.ignored(),
        "server": _server(settings.server),
        "max_concurrency": settings.max_concurrency,
        "together": list(machine.TOGETHER),
        "quality_of_bundled": {
            dtype: asdict(one)
            for dtype, one in quality.by_precision(
                memory.precisions(settings.backend), settings.backend
            ).items()
        },
        "presets": [
            _row(preset, settings, free, credentials, backends)
            for preset in shown
            if only is None or preset.name == presets.named(only).name
        ],
    }


def _row(
    preset: Preset,
    settings: Settings,
    free: int | None,
    credentials: dict[str, bool],
    backends: list[machine.Backend],
) -> dict[str, Any]:
    choice = Choice(preset, settings.backend, settings.dtype)
    fits = _fits(preset, settings, free)
    dtype, narrowed = memory.settle(preset, settings.backend, settings.dtype)
    if fits is not None and dtype not in fits:  # it does not load, as `missing` says
        narrowed = None
    return {
        "name": preset.name,
        "looked_up": _looked_up(preset),
        "missing": _missing(preset, settings, free, credentials, backends),
        "memory_bytes": memory.by_precision(preset, settings.backend, settings.max_concurrency),
        "fits": fits,
        "backend": settings.backend,
        "dtype": dtype,
        "narrowed": asdict(narrowed) if narrowed else None,
        "faster_backend": faster_backend(choice, dtype, settings),
    }


def _looked_up(preset: Preset) -> bool:
    """Return whether its files are known: those of the table's presets and of local ones are."""
    return preset.local or preset.codegemma


def _compiling(backend: machine.Backend) -> dict[str, Any]:
    """Return how a backend compiles. jax and tensorflow include their compiler; torch has to be probed."""
    if not backend.installed or backend.name == machine.OPENAI:
        return {"compiled": None, "uncompiled": None}
    reason = _torch_problem(backend.python) if backend.name == "torch" else None
    return {"compiled": reason is None, "uncompiled": reason}


@cache
def _torch_problem(python: str | None) -> str | None:
    """Return why torch would run models uncompiled; in a separate process, since importing it takes
    seconds."""
    command = [python or sys.executable, "-m", "codegemma_ui.workers.keras.steps.torch_names"]
    try:
        done = subprocess.run(
            command,
            env=parent.environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        reason: str | None = json.loads(done.stdout.splitlines()[-1])["uncompiled"]
    except (OSError, subprocess.SubprocessError) as error:
        return f"torch could not be probed: {error}"
    except (LookupError, ValueError):
        last = done.stderr.strip().splitlines()[-1:]
        return f"torch could not be probed: {''.join(last) or f'exit code {done.returncode}'}"
    return reason


def _server(place: RemoteServer | None) -> dict[str, Any] | None:
    """Return `base_url`, whether there is a `key`, and `model`, `server` and `seconds`, or a `problem`."""
    if place is None:
        return None
    library = machine.backend(machine.OPENAI)
    found: dict[str, Any] = {
        "base_url": place.base_url,
        "key": bool(os.environ.get("OPENAI_API_KEY")),
    }
    if not library.installed:
        return {**found, "problem": f"{library.name} is not installed: {library.install}"}
    from codegemma_ui.workers.openai import availability

    result = availability.probe(place)
    if isinstance(result, str):
        return {**found, "problem": result}
    model, seconds = result
    return {**found, "model": model.id, "server": model.server, "seconds": round(seconds, 3)}


def _cache() -> dict[str, str | None]:
    """Check each backend's folder: one user cannot write what another has created."""
    found = [cache_folder.usable(), *(cache_folder.usable(name) for name in machine.BACKENDS)]
    problem = next((one.problem for one in found if one.problem), None)
    return {"folder": str(found[0].folder) if found[0].folder else None, "problem": problem}


def _fits(preset: Preset, settings: Settings, free: int | None) -> list[str] | None:
    """Return the precisions that fit into memory, or None if unknown."""
    figures = memory.by_precision(preset, settings.backend, settings.max_concurrency)
    if free is None or any(need is None for need in figures.values()):
        return None
    return [dtype for dtype, need in figures.items() if (need or 0) <= free]


def _missing(
    preset: Preset,
    settings: Settings,
    free: int | None,
    credentials: dict[str, bool],
    backends: list[machine.Backend],
) -> list[str]:
    missing, backend = [], settings.backend
    if not any(backend.installed for backend in backends):
        missing.append(f"a backend: {machine.install('tensorflow')}")
    if preset.handle.startswith("kaggle://") and not credentials["kaggle"]:
        missing.append("a Kaggle key: KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY")
    if free is not None and backend != machine.OPENAI and _fits(preset, settings, free) == []:
        needs = memory.by_precision(preset, backend, settings.max_concurrency)
        least = min(needs, key=lambda dtype: needs[dtype] or 0)
        need = needs[least] or 0
        missing.append(f"memory: about {need / 1e9:.1f} GB in {least}, {free / 1e9:.1f} GB free")
        if step := memory.other_backend(
            preset, backend, free, settings.pythons, settings.max_concurrency
        ):
            missing[-1] += f"; {step}"
    download = preset.download_bytes or 0
    room = shutil.disk_usage("/").free
    if download > room:
        missing.append(f"disk: {download / 1e9:.1f} GB to download, {room / 1e9:.1f} GB free")
    return missing


def as_text(report: dict[str, Any]) -> str:
    """Format the report as text."""
    lines = [f"codegemma-ui {report['version']} on Python {report['python']}, {report['platform']}"]
    if report["memory"]:
        total, available = report["memory"]["total"], report["memory"]["available"]
        lines.append(f"memory      {available / 1e9:.1f} of {total / 1e9:.1f} GB available")
    for gpu in report["gpus"]:
        lines.append(f"gpu         {gpu['name']}, {gpu['total'] / 1e9:.1f} GB")
    if not report["gpus"]:
        lines.append("gpu         none found")
    for backend in report["backends"]:
        state = backend["version"] or f"not installed: {backend['install']}"
        if backend["compiled"] is not None:
            state += (
                ", compiled" if backend["compiled"] else f", uncompiled: {backend['uncompiled']}"
            )
        where = f" ({backend['python']})" if backend["python"] else ""
        lines.append(f"{backend['name']:<12}{state}{where}")
    compiler = report["cxx_compiler"] or "none: torch runs its CPU step without compiling it"
    lines.append(f"C++         {compiler}")
    for name, present in report["credentials"].items():
        lines.append(f"{name:<12}credentials {'present' if present else 'not found'}")
    cache = report["cache"]
    lines.append(f"cache       {cache['problem'] or cache['folder']}")
    if cache["problem"]:
        lines.append(f"            not used: each start recompiles. {cache_folder.ELSEWHERE}")
    lines.extend(f"ignored     {name}: {why}" for name, why in report["ignored"].items())
    if report["max_concurrency"] > 1:
        together = ", ".join(report["together"])
        lines.append(
            f"{'at once':<12}{report['max_concurrency']} on {together}, else one at a time"
        )
    if server := report["server"]:
        lines.append(
            f"server      {server['base_url']}, key {'present' if server['key'] else 'not set'}"
        )
        line = server.get("problem") or (
            f"{server['server']} has {server['model']}, answered in {server['seconds']} s"
        )
        lines.append(f"            {line}")
    lines += ["", "+ can run, - lacks what is listed below it, ? not looked up"]
    named_faster = False
    for preset in report["presets"]:
        missing = preset["missing"]
        mark = "-" if missing else "+" if preset["looked_up"] else "?"
        lines.append(f"{mark} {preset['name']}")
        if not preset["looked_up"]:
            lines.append("    not looked up: its files are listed when it is chosen")
        lines.extend(_memory_lines(preset))
        if preset["fits"] != []:
            lines.extend(_advice_lines(preset, once=named_faster))
            named_faster |= preset["faster_backend"] is not None
        lines.extend(f"    needs {one}" for one in missing)
    measured = {dtype: Quality(**one) for dtype, one in report["quality_of_bundled"].items()}
    lines += ["", quality.line(measured)]
    return "\n".join(lines)


def _memory_lines(preset: dict[str, Any]) -> list[str]:
    """Return a preset's memory needs by precision, and which of these fit, if not all do."""
    sizes = memory.sizes(preset["memory_bytes"])
    if not sizes:
        return []
    lines, fits = [f"    memory {sizes}"], preset["fits"]
    if fits is not None and 0 < len(fits) < len(preset["memory_bytes"]):
        lines.append(f"    fits in {', '.join(fits)}: --dtype {fits[0]}")
    return lines


def _advice_lines(preset: dict[str, Any], *, once: bool) -> list[str]:
    """Return the advice of `/status` on precision and backend, as sentences.

    Args:
        once: the faster backend has already been named, for another model.
    """
    narrowed = Narrowed(**preset["narrowed"]) if preset["narrowed"] else None
    faster = None if once else preset["faster_backend"]
    return [f"    {one}" for one in advice.sentences(narrowed, preset["backend"], faster)]
