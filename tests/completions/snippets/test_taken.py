"""Transfer of a completion to another program: as text where it tokenizes the same, and always safely."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from codegemma_ui import fim, presets
from codegemma_ui.commands.export import pieces, tokenizer_json
from codegemma_ui.completions import snippets
from codegemma_ui.completions.snippets import Taken
from codegemma_ui.completions.snippets.quoting import python_text
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.vocabulary import VOCABULARY_FILE, Vocabulary
from codegemma_ui.ipc.messages import CompletionRequest, parse_request

VOCABULARY = Vocabulary(presets.BUNDLED_FOLDER)


def taken(raw: dict[str, Any], **changes: Any) -> Taken:
    request = parse_request({"max_length": 256, **raw}, 1024)
    prompt = VOCABULARY.prompt_of(request)
    known: dict[str, Any] = {
        "preset": presets.bundled(),
        "backend": "jax",
        "dtype": "float32",
        **changes,
    }
    return Taken(request, prompt, **known)


def script(tool: str, one: Taken, **options: Any) -> snippets.Snippet:
    return next(each for each in snippets.write(one, **options) if each.tool == tool)


# Pieces of code, names of tokens and halves of them, and characters that join them.
PIECES = (
    *fim.CONTROL_TOKENS,
    *("<bos>", "<eos>", "<pad>", "<unk>", "<|", "|>", "<", "fim_middle", "<|fim_", "prefix|>"),
    *("\n", "\n\n", "\n\n\n", " ", "    ", "\t", "a", "x = 1", "▁", "▁▁ ", "\r\n", "한", "😀"),
)
texts = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=8).map("".join)
files = st.lists(
    st.fixed_dictionaries({"path": st.sampled_from(["", "b.py", "<eos>"]), "text": texts}),
    max_size=2,
)
requests = st.fixed_dictionaries(
    {
        "prefix": texts,
        "suffix": texts,
        "layout": st.sampled_from(fim.LAYOUTS),
        "path": st.sampled_from(["", "a.py", "<|fim_middle|>"]),
        "files": files,
        "forced": texts,
    }
)


@pytest.fixture(scope="module")
def readers() -> dict[str, Any]:
    """Map each tool to a function that tokenizes a prompt's text as the tool does, `<bos>` first."""
    path = str(presets.BUNDLED_FOLDER / VOCABULARY_FILE)
    keras = sentencepiece.SentencePieceProcessor(model_file=path)
    fast = tokenizer_json.build(pieces.read(presets.BUNDLED_FOLDER))
    return {
        "keras_hub": lambda text: [VOCABULARY.bos_id, *keras.encode(text)],
        "transformers": lambda text: fast.encode(text).ids,
    }


@settings(max_examples=1500, deadline=None)
@given(requests)
def test_a_text_is_given_only_where_it_is_read_as_the_same_tokens(
    readers: dict[str, Any], raw: dict[str, Any]
) -> None:
    forced = tuple(VOCABULARY.encode(raw["forced"]))
    one = taken(raw, forced=forced)
    for tool, read in readers.items():
        if one.reason(tool) is None:  # type: ignore[arg-type]
            assert read(one.prompt.text + one.begins) == list(one.given_ids)


def test_most_code_is_given_as_text() -> None:
    raw = {
        "prefix": "def f(x):\n    return ",
        "suffix": "\n\nf(1)\n",
        "path": "a.py",
        "files": [{"path": "b.py", "text": "B = '<b>'\n"}],
    }
    assert {taken(raw).reason(tool) for tool in ("keras_hub", "transformers", "llama_cpp")} == {
        None
    }


def test_the_quickstarts_shape() -> None:
    text = script("keras_hub", taken({"prefix": "import ", "suffix": "\nsys.exit(0)\n"})).text
    assert 'os.environ["KERAS_BACKEND"] = "jax"\n\nimport keras_nlp\n' in text
    assert "keras_nlp.models.GemmaCausalLM.from_preset(" in text
    assert "prompt = BEFORE_CURSOR + before + AFTER_CURSOR + after + AT_CURSOR\n" in text
    assert "generate(prompt, stop_token_ids=stop_token_ids, max_length=max_length)" in text
    assert text.index("import keras_nlp") > text.index("KERAS_BACKEND")


def test_codegemma_goes_by_its_own_name() -> None:
    one = taken({"prefix": "import "}, preset=presets.CODEGEMMA[0], dtype="bfloat16")
    assert (
        'from_preset(\n    "code_gemma_2b_en", dtype="bfloat16"\n)' in script("keras_hub", one).text
    )
    command = script("llama_cpp", one).prepare[-1]
    assert command == (
        "python -m codegemma_ui export --preset code_gemma_2b_en --format gguf "
        "--dtype bfloat16 --out build/code_gemma_2b_en-gguf-bfloat16"
    )
    assert f"# {command}\n" in script("llama_cpp", one).text
    assert "--ctx-size 8192" in script("llama_cpp", one).text
    assert all("rounded" in each.notes for each in snippets.write(one) if each.tool != "curl")


def test_a_model_of_an_odd_name_is_quoted() -> None:
    folder = "/models/it's $HOME/x y"
    preset = replace(presets.bundled(), name=folder, handle=folder)
    one = taken({"prefix": "a"}, preset=preset)
    assert f"from_preset(\n    {python_text(folder)}, " in script("keras_hub", one).text
    assert """--preset '/models/it'"'"'s $HOME/x y' """ in script("llama_cpp", one).prepare[0]
    assert "build/models-it-s-HOME-x-y-gguf-float32" in script("llama_cpp", one).text


def test_the_trimmed_prompt_is_used_and_the_whole_program_spliced() -> None:
    prefix, suffix = "first = 1\n" * 200 + "x = ", "\nlast = 2" * 200
    one = taken({"prefix": prefix, "suffix": suffix, "max_length": 64})
    tree = ast.parse(script("keras_hub", one).text)
    values = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    assert values["unread_before"] + values["before"] == prefix
    assert values["after"] + values["unread_after"] == suffix
    assert VOCABULARY.count(values["before"]) < 64


SAMPLED = {"prefix": "a", "temperature": 0.8, "top_k": 7, "top_p": 0.9, "seed": 5}


def test_the_settings_of_a_drawn_completion_are_there_and_so_is_a_note() -> None:
    one = taken(SAMPLED)
    assert "TopPSampler(p=0.9, k=7, temperature=0.8, seed=5)" in script("keras_hub", one).text
    assert "do_sample=True, temperature=0.8, top_k=7, top_p=0.9" in script("transformers", one).text
    assert '"samplers": ["temperature", "top_k", "top_p"]' in script("llama_cpp", one).text
    assert '"seed": 5' in script("curl", one).text
    assert [each.tool for each in snippets.write(one) if "drawn" in each.notes] == [
        *("keras_hub", "transformers", "llama_cpp")
    ]
    long = taken({**SAMPLED, "seed": 2**32 - 1})
    assert f"seed={2**31 - 1})" in script("keras_hub", long).text, "as much as Keras takes on torch"
    without = taken({**SAMPLED, "seed": None})
    assert all("undrawn" in each.notes for each in snippets.write(without))
    assert "RandomSampler(temperature=0.8" in script("keras_hub", taken({"temperature": 0.8})).text
    assert (
        "TopKSampler(k=3, temperature"
        in script("keras_hub", taken({"temperature": 0.8, "top_k": 3})).text
    )


@pytest.mark.parametrize("setting", [{"top_k": 1}, {"top_p": 0}, {"temperature": 0}])
def test_what_leaves_no_choice_is_greedy(setting: dict[str, Any]) -> None:
    one = taken({**SAMPLED, **setting})
    assert one.greedy
    assert "do_sample=False" in script("transformers", one).text
    assert not script("keras_hub", one).notes


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "float32)\nimport os\n("},
        {"backend": 'jax"\nimport os\n"'},
        {"preset": replace(presets.bundled(), name="x\nimport os")},
        {"request": CompletionRequest(prefix="other")},
        {
            "prompt": replace(
                VOCABULARY.prompt("a", "", 64), segments=(fim.Segment("control", "os"),)
            )
        },
    ],
)
def test_nothing_of_a_strangers_becomes_code(changes: dict[str, Any]) -> None:
    one = taken({"prefix": "a", "suffix": "b"})
    with pytest.raises(BadInput):
        replace(one, **changes)


def test_what_no_shell_can_hold_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="NUL"):
        snippets.write(taken({"prefix": "a", "forced": "b\0"}, forced=(1,), forced_text="b\0"))


def test_the_address_is_quoted() -> None:
    text = script("curl", taken({"prefix": "a"}), address="https://x.example/$(id)/'/").text
    assert """playground='https://x.example/$(id)/'"'"''\n""" in text
