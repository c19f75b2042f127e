"""Requests sent to the engine, and resumption of a stopped run, with a scripted worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from codegemma_ui import fim, presets
from codegemma_ui.client.client import EngineClient
from codegemma_ui.commands.evaluate import command, infilling
from codegemma_ui.commands.evaluate.infilling import Setup
from codegemma_ui.commands.evaluate.results import ResultsFile
from codegemma_ui.commands.evaluate.tasks import Dataset, Task
from codegemma_ui.errors import BadInput, EngineError
from codegemma_ui.fim.vocabulary import Vocabulary
from codegemma_ui.settings import Settings
from tests.commands.evaluate.own_tasks import make_task, result

CONTEXT = presets.bundled().context_length
MakeClient = Callable[[], EngineClient]


def test_a_short_task_is_asked_whole(vocabulary: Vocabulary) -> None:
    prompt, prefix, suffix = infilling.fit(vocabulary, make_task(), Setup(), CONTEXT)
    assert (prefix, suffix) == (make_task().prompt, make_task().suffix)
    assert prompt.trimmed_prefix_tokens == prompt.trimmed_suffix_tokens == 0


@pytest.mark.parametrize("layout", fim.LAYOUTS)
@pytest.mark.parametrize("max_new_tokens", [1, fim.MIN_ROOM, 96, CONTEXT - fim.MIN_ROOM])
def test_a_long_task_leaves_room_for_the_middle(
    vocabulary: Vocabulary, layout: fim.Layout, max_new_tokens: int
) -> None:
    task = make_task(prompt="value = 0\n" * CONTEXT, suffix="print(value)\n" * CONTEXT)
    setup = Setup(max_new_tokens=max_new_tokens, layout=layout)
    prompt, prefix, suffix = infilling.fit(vocabulary, task, setup, CONTEXT)
    max_length = len(prompt.token_ids) + max(max_new_tokens, fim.MIN_ROOM)
    assert max_length <= CONTEXT
    assert task.prompt.endswith(prefix)
    assert task.suffix.startswith(suffix)
    # The engine builds the same prompt from the request, and cuts nothing more.
    again = vocabulary.prompt(prefix, suffix, max(max_length, fim.MIN_MAX_LENGTH), layout)
    assert again.token_ids == prompt.token_ids


def test_of_a_task_beyond_what_a_request_takes_the_nearest_part_is_asked(
    vocabulary: Vocabulary,
) -> None:
    long = "x" * (fim.MAX_SIDE_CHARACTERS + 1)
    task = make_task(prompt=f"{long}\nnear = 1\n", suffix=f"print(near)\n{long}")
    _, prefix, suffix = infilling.fit(vocabulary, task, Setup(), CONTEXT)
    assert prefix.endswith("x\nnear = 1\n")
    assert suffix.startswith("print(near)\nx")


def test_a_hidden_suffix_is_an_empty_one(vocabulary: Vocabulary) -> None:
    prompt, _, suffix = infilling.fit(vocabulary, make_task(), Setup(hide_suffix=True), CONTEXT)
    assert suffix == ""
    assert prompt.text.endswith("<|fim_suffix|><|fim_middle|>")


def test_a_middle_must_fit_the_context() -> None:
    infilling.check_room(CONTEXT - fim.MIN_ROOM, CONTEXT)
    for wrong in (0, -1, CONTEXT):
        with pytest.raises(BadInput, match=f"--max-new-tokens .* Received: {wrong}"):
            infilling.check_room(wrong, CONTEXT)


# Resumption


def evaluate(client: EngineClient, tasks: list[Task], path: Path, **options: bool) -> dict:
    dataset = Dataset("own", "d" * 64, tuple(tasks))
    with ResultsFile(path, command.how_made(dataset, client.settings, Setup())) as file:
        asyncio.run(command.evaluate(client, tasks, Setup(), file, **options))
        return file.done


def test_each_task_gets_a_middle_and_its_scores(make_client: MakeClient, tmp_path: Path) -> None:
    echoed = make_task("own/1", prompt="x = 1\n", suffix="y = 2\n", canonical_solution="x = 1")
    broken = make_task("own/2", prompt="def f(", suffix="")
    done = evaluate(make_client(), [echoed, broken], tmp_path / "own.jsonl")
    first, second = done.values()
    assert (first.middle, first.exact_match, first.parses) == ("x = 1\n", True, True)
    assert (second.middle, second.exact_match, second.parses) == ("def f(", False, False)
    assert not first.stopped  # the scripted worker reports that max_length ended it
    assert first.completion_tokens == 1


def test_what_is_in_the_file_is_not_generated_again(
    make_client: MakeClient, tmp_path: Path
) -> None:
    path, tasks = tmp_path / "own.jsonl", [make_task("own/1"), make_task("own/2")]
    evaluate(make_client(), tasks[:1], path)
    path.write_text(path.read_text().replace("def add", "def kept"))
    done = evaluate(make_client(), tasks, path)
    assert "kept" in done["own/1"].middle
    assert "def add" in done["own/2"].middle
    idle = make_client()
    assert evaluate(idle, tasks, path) == done
    assert idle.status().state == "failed"  # it was never started


def test_results_of_another_model_under_the_same_name_are_refused(
    make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(make_client(), [make_task()], tmp_path / "own.jsonl")
    replaced = tmp_path / "model"
    replaced.mkdir()
    (replaced / "metadata.json").write_text('{"date_saved": "today"}')
    monkeypatch.setattr(presets, "BUNDLED_FOLDER", replaced)
    with pytest.raises(BadInput, match="was created with model"):
        evaluate(make_client(), [make_task()], tmp_path / "own.jsonl")


def test_a_worker_that_dies_loses_only_its_task(make_client: MakeClient, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    tasks = [make_task("own/1"), make_task("own/2", prompt="crash"), make_task("own/3")]
    with pytest.raises(EngineError, match="own/2: The model's process ended") as caught:
        evaluate(make_client(), tasks, path)
    assert caught.value.code == "worker_died"
    repaired = [tasks[0], make_task("own/2"), tasks[2]]
    assert list(evaluate(make_client(), repaired, path)) == ["own/1", "own/2", "own/3"]


def test_a_model_that_cannot_load_is_an_engine_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    client = EngineClient(Settings(preset=str(tmp_path), backend="jax"))
    with pytest.raises(EngineError, match=r"vocabulary\.spm"):
        evaluate(client, [make_task()], tmp_path / "own.jsonl")
    client.close()


def test_tests_are_run_on_results_that_are_there_already(
    make_client: MakeClient, tmp_path: Path
) -> None:
    from codegemma_ui.commands.evaluate import execution

    try:
        asyncio.run(execution.check_containment())
    except BadInput as error:
        pytest.skip(str(error))
    path = tmp_path / "own.jsonl"
    blank, right, wrong = make_task("own/1", test=" \n"), make_task("own/2"), make_task("own/3")
    client = make_client()
    made = command.how_made(Dataset("own", "d" * 64, ()), client.settings, Setup())
    with ResultsFile(path, made) as file:
        file.settle_dtype("float32")
        for task, middle in ((blank, "x"), (right, "    total = a + b\n"), (wrong, "    ...\n")):
            file.add(result(task_id=task.task_id, middle=middle))
    done = evaluate(client, [blank, right, wrong], path, execute=True)
    assert [one.passed for one in done.values()] == [None, True, False]
    assert done["own/3"].failure == "NameError"
    assert evaluate(make_client(), [blank, right, wrong], path) == done
