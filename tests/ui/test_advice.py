"""Advice on memory, precision and backend of CodeGemma 2B, on various machines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from codegemma_ui import machine, presets
from codegemma_ui.client import choice
from codegemma_ui.client.choice import Choice
from codegemma_ui.commands import doctor
from codegemma_ui.errors import BackendMissing, NotEnoughMemory, UnsupportedPrecision
from codegemma_ui.machine import Backend, Gpu
from codegemma_ui.presets import DTYPES, memory, quality
from codegemma_ui.settings import Settings
from codegemma_ui.ui import advice

NAME = "code_gemma_2b_en"
TWO_B = presets.named(NAME)
EVERY = frozenset(machine.BACKENDS)
NO_TORCH = EVERY - {"torch"}

Machine = Callable[..., None]


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Set the machine's free memory in gigabytes, installed backends, C++ compiler, and GPUs."""

    def set_to(
        free_gb: float,
        installed: Collection[str] = EVERY,
        compiler: str | None = "g++",
        *cards: Gpu,
    ) -> None:
        free = int(free_gb * 1e9)

        def backend(name: str, python: str | None = None) -> Backend:
            version = "1.0" if name in installed else None
            return Backend(name, version, python, machine.install(name))

        monkeypatch.setattr(machine, "memory_bytes", lambda: (free, free))
        monkeypatch.setattr(machine, "gpus", lambda: cards)
        monkeypatch.setattr(machine, "cxx_compiler", lambda: compiler)
        monkeypatch.setattr(machine, "backend", backend)

    return set_to


def said_of(asked: Choice) -> str:
    """Return the text shown for a choice: the error with its hint, or the advice."""
    settings = Settings(preset=NAME, backend=asked.backend, dtype=asked.dtype)
    try:
        choice.check_backend(asked, settings)
        choice.check_memory(asked, offered=presets.offered())
    except (BackendMissing, NotEnoughMemory, UnsupportedPrecision) as refused:
        return f"{refused.code}: {refused.hint}"
    dtype = asked.settled_dtype()
    faster = choice.faster_backend(asked, dtype, settings)
    return " ".join([dtype, *advice.sentences(asked.narrowed(), asked.backend, faster)])


TORCH_IS_FASTER = (
    " For a model of this size on a CPU, torch is faster than tensorflow: about 6.5 tokens a "
    "second against 4.7, measured in bfloat16 on 2 cores at CodeGemma 2B's size."
)
INSTALL = 'pip install -e ".[torch]"'
SMALLER = "choose a smaller model, such as Bundled FIM model or close other programs."


def narrowed(backend: str, dtype: str, wider: str, needed: str, free: str) -> str:
    reason = f"{wider} needs about {needed} GB, and {free} GB of memory were free."
    measured, whole = quality.of(dtype, backend), quality.of("float32", backend)
    cost = ""
    if measured and whole:
        cost = (
            f" With {dtype}, the bundled model's exact match is {measured.exact_match:.1%} (float32: "
            f"{whole.exact_match:.1%}) and its perplexity {measured.perplexity:.2f} (float32: "
            f"{whole.perplexity:.2f})."
        )
    return f"{dtype} Here auto means {dtype}: {reason}{cost}"


def test_what_int8_costs_was_measured() -> None:
    for backend in machine.BACKENDS:
        assert "exact match" in narrowed(backend, "int8", "bfloat16", "6.6", "5.0")


@pytest.mark.parametrize(
    ("backend", "free_gb", "installed", "said"),
    [
        *(("jax", free, there, "bfloat16") for free in (8, 16, 24) for there in (EVERY, NO_TORCH)),
        *(("torch", free, EVERY, "bfloat16") for free in (8, 16, 24)),
        *(("torch", free, NO_TORCH, f"backend_missing: {INSTALL}") for free in (8, 16, 24)),
        *(("tensorflow", free, EVERY, "bfloat16" + TORCH_IS_FASTER) for free in (8, 16, 24)),
        *(("tensorflow", free, NO_TORCH, "bfloat16") for free in (8, 16, 24)),
        ("tensorflow", 7, EVERY, narrowed("tensorflow", "int8", "bfloat16", "7.6", "7.0")),
        ("jax", 5, EVERY, narrowed("jax", "int8", "bfloat16", "6.7", "5.0")),
        ("jax", 5, NO_TORCH, narrowed("jax", "int8", "bfloat16", "6.7", "5.0")),
        ("torch", 5, EVERY, narrowed("torch", "int8", "bfloat16", "6.6", "5.0")),
        ("torch", 3.3, EVERY, narrowed("torch", "int4", "int8", "3.9", "3.3")),
        (
            *("tensorflow", 4.2, EVERY),
            "not_enough_memory: Choose the backend jax and the precision int8, which needs about 3.9 GB, "
            + SMALLER,
        ),
        (
            *("jax", 3.3, EVERY),
            "not_enough_memory: Choose the backend torch and the precision int4, which needs about 3.2 GB, "
            + SMALLER,
        ),
        *(
            (
                *(backend, 3.3, NO_TORCH),
                f"not_enough_memory: Install torch ({INSTALL}) and choose it with the precision int4, which "
                f"needs about 3.2 GB, {SMALLER}",
            )
            for backend in ("jax", "tensorflow")
        ),
        *(
            (backend, 2, EVERY, f"not_enough_memory: {SMALLER[0].upper()}{SMALLER[1:]}")
            for backend in machine.BACKENDS
        ),
    ],
)
def test_what_is_said_of_auto(
    has: Machine, backend: str, free_gb: float, installed: Collection[str], said: str
) -> None:
    has(free_gb, installed)
    assert said_of(Choice(TWO_B, backend, "auto")) == said


CHOOSE = re.compile(
    r"(?:install (?P<install>\w+) \((?P<line>.*?)\) and choose it with"
    r"|choose the backend (?P<backend>\w+) and) the precision (?P<dtype>\w+)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("installed", [EVERY, NO_TORCH, {"tensorflow"}], ids=len)
@pytest.mark.parametrize("free_gb", [2, 3.3, 4, 4.2, 5, 7, 8, 12.5, 16, 24])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", machine.BACKENDS)
def test_no_advice_leads_to_another_refusal(
    has: Machine, backend: str, dtype: str, free_gb: float, installed: set[str]
) -> None:
    has(free_gb, installed)
    if backend not in installed:
        assert said_of(Choice(TWO_B, backend, dtype)).startswith("backend_missing: pip install")
        return
    code, _, hint = said_of(Choice(TWO_B, backend, dtype)).partition(": ")
    if code == "unsupported_precision":
        assert backend != "torch"
        assert ("install torch" in hint) is ("torch" not in installed)
        return
    if code != "not_enough_memory":
        return
    if there := CHOOSE.search(hint):
        if there["install"]:
            assert there["install"] not in installed
            assert there["line"] == machine.install(there["install"])
            has(free_gb, {*installed, there["install"]})
        step = Choice(TWO_B, there["install"] or there["backend"], there["dtype"])
        choice.check_backend(step, Settings())
        choice.check_memory(step)
    elif narrower := re.search(r"precision ([\w, ]+?)(?:, choose| or close)", hint):
        for one in re.findall(r"float16|bfloat16|int8|int4", narrower[1]):
            choice.check_memory(Choice(TWO_B, backend, one))
    else:  # then nothing of this model fits, on any backend
        for name in machine.BACKENDS:
            for one in memory.precisions(name):
                with pytest.raises(NotEnoughMemory):
                    choice.check_memory(Choice(TWO_B, name, one))


def test_int4_without_torch_names_the_command(has: Machine) -> None:
    has(16, NO_TORCH)
    hint = said_of(Choice(TWO_B, "jax", "int4"))
    assert (
        hint == f"unsupported_precision: Choose int8, or install torch ({INSTALL}) and choose it."
    )


@pytest.mark.parametrize(
    ("compiler", "cards", "preset"),
    [
        (None, (), TWO_B),
        ("g++", (Gpu("a card", 16 * 10**9, 16 * 10**9),), TWO_B),
        ("g++", (), presets.bundled()),
    ],
    ids=["no compiler", "a card", "a small model"],
)
def test_torch_is_not_called_faster_where_nobody_measured_that(
    has: Machine, compiler: str | None, cards: tuple[Gpu, ...], preset: presets.Preset
) -> None:
    has(16, EVERY, compiler, *cards)
    asked = Choice(preset, "tensorflow", "auto")
    assert choice.faster_backend(asked, "bfloat16", Settings()) is None


@pytest.mark.parametrize(("backend", "dtype"), [("tensorflow", "int8"), ("jax", "bfloat16")])
def test_nor_where_the_margin_is_small(has: Machine, backend: str, dtype: str) -> None:
    has(16)
    assert choice.faster_backend(Choice(TWO_B, backend, dtype), dtype, Settings()) is None


@pytest.mark.parametrize(
    ("backend", "free_gb", "installed", "said"),
    [
        ("tensorflow", 16, EVERY, TORCH_IS_FASTER.strip()),
        ("jax", 5, EVERY, narrowed("jax", "int8", "bfloat16", "6.7", "5.0").removeprefix("int8 ")),
        (
            *("jax", 3.3, NO_TORCH),
            "needs memory: about 3.9 GB in int8, 3.3 GB free; "
            f"install torch ({INSTALL}) and choose it with the precision int4, which needs about 3.2 GB",
        ),
    ],
)
def test_doctor_says_the_same(
    has: Machine, backend: str, free_gb: float, installed: Collection[str], said: str
) -> None:
    has(free_gb, installed)
    report = doctor.examine(Settings(preset=NAME, backend=backend), only=NAME)
    lines = [line.strip() for line in doctor.as_text(report).splitlines()]
    assert said in lines
    json.dumps(report)


def large_folder(folder: Path) -> Path:
    """Return a preset with as many parameters as CodeGemma 2B, according to its metadata."""
    shutil.copytree(presets.BUNDLED_FOLDER, folder, ignore=shutil.ignore_patterns("*.h5"))
    (folder / "metadata.json").write_text(json.dumps({"parameter_count": TWO_B.parameters}))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit")
def test_complete_says_it_on_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the address space simulates a machine with 5 GB."""
    monkeypatch.setenv("SCRIPTED_WORKER", "--dtype int8")
    given = [
        sys.executable,
        "-m",
        "tests.support.scripted_shell",
        "complete",
        "--prefix",
        "echo",
        "--json",
    ]
    named = ["--preset", str(large_folder(tmp_path / "large")), "--backend", "jax"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 5000000; exec "$@"', "bash", *given, *named],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    needed = memory.needed(presets.named(named[1]), "jax", "bfloat16") or 0
    assert done.stderr.startswith(
        f"Here auto means int8: bfloat16 needs about {needed / 1e9:.1f} GB, and 5.1 GB of memory were free."
    )
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()][-1] == "done"
