"""The quickstart notebooks: generated from one list of cells, all of which run on the bundled preset."""

from __future__ import annotations

import ast
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient
from nbformat import NotebookNode

from codegemma_ui.ui import examples

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
FILES = ("quickstart.ipynb", "quickstart.ko.ipynb")
BACKEND = "jax"  # the fastest to load; without KERAS_BACKEND, Keras uses tensorflow

QUICKSTART, TABLE = examples.by_key("quickstart"), examples.by_key("table")


def test_what_is_kept_is_what_the_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "write.py"
    script.write_bytes((NOTEBOOKS / "write.py").read_bytes())
    subprocess.run([sys.executable, script], check=True, timeout=60)
    for file in FILES:
        assert (tmp_path / file).read_text() == (NOTEBOOKS / file).read_text(), file


@pytest.mark.parametrize("file", FILES)
def test_it_is_a_notebook_without_outputs(file: str) -> None:
    notebook = json.loads((NOTEBOOKS / file).read_text())
    nbformat.validate(notebook)
    for cell in notebook["cells"]:
        assert not cell.get("outputs")


def test_both_run_the_same_code() -> None:
    english, korean = (read(file) for file in FILES)
    assert [code.source for code in cells(english)] == [code.source for code in cells(korean)]
    words = [cell.source for cell in english.cells if cell.cell_type == "markdown"]
    assert not {cell.source for cell in korean.cells if cell.cell_type == "markdown"} & set(words)


def read(file: str) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOKS / file, as_version=4)
    return notebook


def cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


class Ran:
    """A notebook after all its cells have run."""

    def __init__(self, notebook: NotebookNode) -> None:
        self.notebook = notebook

    def outputs(self, part: str) -> list[NotebookNode]:
        """Return the outputs of the only cell whose code contains this."""
        [cell] = [cell for cell in cells(self.notebook) if part in cell.source]
        return list(cell.outputs)

    def printed(self, part: str) -> str:
        return "".join(one.text for one in self.outputs(part) if one.get("name") == "stdout")

    def shown(self, part: str) -> NotebookNode:
        """Return the last output of the cell, by MIME type."""
        return [one.data for one in self.outputs(part) if "data" in one][-1]


@pytest.fixture(scope="module", params=FILES)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run it in a kernel of our own interpreter, isolated from user settings."""
    home = tmp_path_factory.mktemp("jupyter")
    write_kernel_spec(home / "data" / "kernels" / "python3")
    with pytest.MonkeyPatch.context() as environ:
        for name in ("data", "config", "runtime"):
            environ.setenv(f"JUPYTER_{name.upper()}_DIR", str(home / name))
        environ.setenv("IPYTHONDIR", str(home / "ipython"))
        environ.setenv("KERAS_BACKEND", BACKEND)
        for name in [name for name in os.environ if name.startswith("CODEGEMMA_UI_")]:
            environ.delenv(name)
        place = {"metadata": {"path": str(NOTEBOOKS)}}
        return Ran(NotebookClient(read(request.param), timeout=300, resources=place).execute())


def test_the_path_of_the_tutorial(ran: Ran) -> None:
    assert "6,032,640" in plain(ran.outputs("gemma_lm.summary()"))
    assert "'<|fim_prefix|>': 4" in ran.shown("stop_ids = ")["text/plain"]
    prompt = f"<|fim_prefix|>{QUICKSTART.prefix}<|fim_suffix|>{QUICKSTART.suffix}<|fim_middle|>"
    assert ran.printed("def fim_prompt") == f"{prompt}\n"
    assert ran.printed("print(output)").startswith(f"{prompt}sys")
    middle, without_end = map(ast.literal_eval, ran.printed("def middle_of").splitlines())
    assert middle.startswith("sys")
    assert "<|" not in middle
    assert without_end == "sys"
    spliced = QUICKSTART.prefix + middle + QUICKSTART.suffix
    assert ran.printed("program = before") == f"{spliced}\n"
    table = ran.printed("table_output = ")
    middle = table.removeprefix(TABLE.prefix).removesuffix(f"{TABLE.suffix}\n")
    assert table == f"{TABLE.prefix}{middle}{TABLE.suffix}\n"
    assert middle.startswith("range(1")


def test_the_same_with_a_playground(ran: Ran) -> None:
    middle = ast.literal_eval(ran.printed("def middle_of").splitlines()[0])
    shown = ran.shown("playground = Playground()")["text/html"]
    assert f">{middle}</mark>" in shown
    program = QUICKSTART.prefix + middle + QUICKSTART.suffix
    assert ran.printed("print(result.program)").endswith(f"{program}\n")
    assert "6,032,640 parameters" in ran.printed("playground.summary()")
    roles = [line.split()[1] for line in ran.printed("playground.prompt").splitlines()]
    assert roles[:3] == ["bos", "control", "prefix"]
    assert roles.count("control") == 3
    *tokens, stop = ran.printed("token.logprob").splitlines()
    assert re.match(r" *\d+\.\d%  'sys' ", tokens[0])
    assert stop == "stop_token <|file_separator|>"
    events = [line.partition(" ") for line in ran.printed("playground.stream").splitlines()]
    assert [name for name, _, _ in events][:: len(events) - 1] == ["prompt", "done"]
    streamed = "".join(ast.literal_eval(text) for _, _, text in events)
    assert f">{html.escape(streamed)}</mark>" in ran.shown("playground.show")["text/html"]
    assert TABLE.prefix + streamed + TABLE.suffix + "\n" == ran.printed("table_output = ")


def plain(outputs: list[NotebookNode]) -> str:
    return "\n".join(one.data["text/plain"] for one in outputs if "data" in one)
