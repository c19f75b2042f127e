"""The wheel: its contents, and that it runs without the repository, with the installed libraries."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from packaging.requirements import Requirement

from codegemma_ui import __version__, installation, presets
from codegemma_ui.completions import snippets
from codegemma_ui.completions.snippets import Taken
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest
from tools.reliability import processes

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "codegemma_ui"
PREFIX, SUFFIX = "import ", '\n\nif __name__ == "__main__":\n    sys.exit(0)\n'


@dataclass(frozen=True)
class Installed:
    """The wheel, unpacked as pip does.

    Attributes:
        folder: holds the package and nothing else.
        elsewhere: an empty folder to run in, and for temporary files.
    """

    wheel: Path
    folder: Path
    elsewhere: Path

    def environment(self) -> dict[str, str]:
        ours = ("CODEGEMMA_UI", "KERAS", "KAGGLE", "HF_", "PYTHONPATH")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return clean | {"PYTHONPATH": str(self.folder), "TMPDIR": str(self.elsewhere)}

    def run(self, *command: str) -> str:
        """Return the output of a command."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.elsewhere,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    @property
    def script(self) -> str:
        return str(self.folder / "bin" / "codegemma-ui")

    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as files:
            (name,) = [one for one in files.namelist() if one.endswith(".dist-info/METADATA")]
            return message_from_bytes(files.read(name))


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *arguments], check=True, timeout=120)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"  # setuptools leaves a build folder in it
    shutil.copytree(PACKAGE, source / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("README.md", "LICENSE", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / file, source)
    wheels = str(folder / "wheels")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, str(source))
    (wheel,) = Path(wheels).iterdir()
    pip("install", "--no-deps", "--target", str(folder / "installed"), str(wheel))
    (folder / "elsewhere").mkdir()
    return Installed(wheel, folder / "installed", folder / "elsewhere")


def test_the_wheel_holds_every_file_of_the_package(installed: Installed) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyi")
    }
    with zipfile.ZipFile(installed.wheel) as files:
        names = {name for name in files.namelist() if ".dist-info/" not in name}
    assert names == ours


def test_the_wheel_requires_what_requirements_txt_does(installed: Installed) -> None:
    metadata = installed.metadata()
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist", ())]
    assert set(metadata.get_all("Provides-Extra", ())) == {
        *("bench", "jax", "mcp", "metrics", "openai", "torch")
    }
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    for line in (Requirement(line) for line in lines if line and line[0] != "#"):
        assert line in required, line
    core = {one.name for one in required if one.marker is None}
    assert "prometheus-client" in core  # so that the extra `metrics` has nothing to add


def test_the_version_is_said_once_and_has_its_changes(installed: Installed) -> None:
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert installed.metadata()["Version"] == __version__
    assert installed.run(installed.script, "--version").strip() == __version__
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in ("Unreleased", __version__)
    assert __version__ in headings


def test_a_completion_from_a_shell(installed: Installed) -> None:
    sides = ("--prefix", PREFIX, "--suffix", SUFFIX)
    said = installed.run(installed.script, "complete", "--json", "--backend", "jax", *sides)
    last = json.loads(said.splitlines()[-1])
    assert (last["event"], last["preset"]) == ("done", "bundled")
    assert last["program"] == PREFIX + last["middle"] + SUFFIX
    assert list(installed.elsewhere.iterdir()) == []


def test_the_page_and_its_api(installed: Installed) -> None:
    with served(installed) as url:
        page = httpx.get(url).text
        for file in (PACKAGE / "ui" / "static").iterdir():
            words = re.findall(r"[\w .]+", file.read_text(encoding="utf-8"), re.ASCII)
            assert max(words, key=len).strip() in page, file.name
        processes.wait_until(
            lambda: httpx.get(f"{url}healthz").json()["state"] == "ready", timeout_s=120
        )
        job = Client(url, verbose=False).submit(prefix=PREFIX, suffix=SUFFIX, api_name="/complete")
        assert [*job][-1]["event"] == "done"
    assert list(installed.elsewhere.iterdir()) == []


class served:  # noqa: N801
    """A playground run from an installed wheel."""

    def __init__(self, installed: Installed) -> None:
        self._process = subprocess.Popen(
            [sys.executable, installed.script, "--port", "0", "--backend", "jax"],
            cwd=installed.elsewhere,
            env=installed.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, said
        return found[0].rstrip("/") + "/"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def test_a_worker_of_another_environment_sees_the_package_and_no_library_of_ours(
    installed: Installed,
) -> None:
    (installed.folder / "keras.py").write_text(
        "raise SystemExit('a library of another environment')"
    )
    try:
        code = "from codegemma_ui.ipc import parent; import os; folder, *_ = "
        code += "parent.environment()['PYTHONPATH'].split(os.pathsep); print(os.listdir(folder))"
        assert installed.run("-c", code).strip() == "['codegemma_ui']"
    finally:
        (installed.folder / "keras.py").unlink()


def test_what_is_missing_is_said_without_a_file_that_is_not_there(installed: Installed) -> None:
    code = "from codegemma_ui import installation as one\nfor extra in ('jax', 'mcp', ''): "
    code += "print(one.install(extra))"
    jax, mcp, page = installed.run("-c", code).splitlines()
    assert jax == "pip install 'jax<0.12,>=0.10'"
    assert mcp == "pip install 'mcp<2,>=1.21'"
    assert page.startswith("pip install gradio==6.31.0 ")
    assert "tensorflow" in page
    assert "jax" not in page
    assert installation.install("jax") == 'pip install -e ".[jax]"'


def test_a_completion_as_code_finds_the_bundled_model_in_the_wheel(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "in_checkout", lambda: False)  # write as a wheel does
    request = CompletionRequest(prefix=PREFIX, suffix=SUFFIX, max_length=64)
    prompt = Vocabulary(presets.BUNDLED_FOLDER).prompt(PREFIX, SUFFIX, 64)
    taken = Taken(request, prompt, presets.bundled(), "jax", "float32")
    written = {snippet.tool: snippet for snippet in snippets.write(taken)}
    script = written["keras_hub"].text
    ast.parse(script)
    lines = re.findall(r"^(?:import codegemma_ui|from pathlib .*)$", script, re.MULTILINE)
    place = re.search(r"from_preset\(\n    (.+), dtype=", script)
    assert place
    found = installed.run("-c", "\n".join([*lines, f"print({place[1]})"])).strip()
    assert Path(found) == installed.folder / "codegemma_ui" / "models" / "fim_small"
    assert (Path(found) / "config.json").is_file()
    assert str(ROOT) not in "".join(one.text for one in written.values())
    assert written["llama_cpp"].prepare[0].startswith("codegemma-ui export ")
