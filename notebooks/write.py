"""Write the quickstart notebooks: `python notebooks/write.py`, from anywhere.

The same cells in English and in Korean, from the one list below. They are kept without outputs: what a cell
prints depends on the machine and its backend, and a test runs every cell and holds what it shows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LANGUAGES = {"en": "quickstart.ipynb", "ko": "quickstart.ko.ipynb"}


@dataclass(frozen=True)
class Words:
    """A cell to read, in both languages."""

    en: str
    ko: str


@dataclass(frozen=True)
class Code:
    """A cell to run."""

    text: str


CELLS = (
    Words(
        """\
# CodeGemma fills in the middle

A model for *fill-in-the-middle* reads the code before your cursor and the code after it, and writes what
belongs between. This notebook asks one twice: step by step with KerasHub, then in three lines with
`Playground`.

It runs as it is, without an account or a download, on the small model that is bundled with this repository.
That one has 6.0M parameters and is not CodeGemma; the path is the same, and section 3 says which line to
change for CodeGemma 2B.

To open it: `pip install -r requirements.txt jupyterlab`, then `jupyter lab notebooks/quickstart.ipynb`.""",
        """\
# CodeGemma로 가운데 채우기

*fill-in-the-middle* 모델은 커서 앞의 코드와 뒤의 코드를 읽고 그 사이에 들어갈 코드를 씁니다. 이 노트북은
모델에게 두 번 물어봅니다. 먼저 KerasHub로 한 단계씩, 그다음 `Playground`로 세 줄에.

계정도 다운로드도 없이 그대로 실행됩니다. 이 저장소에 들어 있는 작은 모델을 쓰기 때문입니다. 파라미터가
6.0M개인 이 모델은 CodeGemma가 아니지만 순서는 똑같고, CodeGemma 2B로 바꾸려면 어느 줄을 고치면 되는지
3절에 있습니다.

여는 방법: `pip install -r requirements.txt jupyterlab`, 그다음
`jupyter lab notebooks/quickstart.ko.ipynb`.""",
    ),
    Words(
        """\
## 1. Two holes

Each example is the code before a cursor and the code after it. The first lacks the name of a module, the
second a part of a line.""",
        """\
## 1. 빈칸 둘

예제마다 커서 앞의 코드와 커서 뒤의 코드가 있습니다. 첫 번째에는 모듈 이름이, 두 번째에는 줄의 한 부분이
빠져 있습니다.""",
    ),
    Code(
        '''\
before = "import "
after = """if __name__ == "__main__":
    sys.exit(0)"""

table_before = """
def multiplication_table(n: int) -> None:
    \\"\\"\\"Print n times 1 to n times 9.\\"\\"\\"
    for i in """
table_after = """:
        print(n, 'x', i, '=', n * i)

multiplication_table(7)

"""'''
    ),
    Words(
        """\
## 2. Choose a backend

Keras runs on TensorFlow, JAX or PyTorch. It looks at `KERAS_BACKEND` once, when it is imported, so the
variable comes first. `keras_nlp` is the older name of KerasHub.""",
        """\
## 2. 백엔드 고르기

Keras는 TensorFlow, JAX, PyTorch 위에서 돕니다. `KERAS_BACKEND`는 Keras를 import할 때 한 번만 읽히므로 먼저
정해 둡니다. `keras_nlp`는 KerasHub의 옛 이름입니다.""",
    ),
    Code(
        """\
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # "jax", "torch"

import keras_nlp"""
    ),
    Words(
        """\
## 3. Choose a model

The bundled preset is a folder. For CodeGemma 2B (5 GB), accept the Gemma terms at
[kaggle.com/models/keras/codegemma](https://www.kaggle.com/models/keras/codegemma), make a key at
[kaggle.com/settings](https://www.kaggle.com/settings), and remove the `#` of the last three lines.""",
        """\
## 3. 모델 고르기

기본 프리셋은 폴더입니다. CodeGemma 2B(5GB)를 쓰려면
[kaggle.com/models/keras/codegemma](https://www.kaggle.com/models/keras/codegemma)에서 Gemma 약관에 동의하고,
[kaggle.com/settings](https://www.kaggle.com/settings)에서 키를 만든 뒤, 마지막 세 줄의 `#`을 지우세요.""",
    ),
    Code(
        """\
preset = "../codegemma_ui/models/fim_small"

# os.environ["KAGGLE_USERNAME"] = "..."
# os.environ["KAGGLE_KEY"] = "..."
# preset = "code_gemma_2b_en\""""
    ),
    Words(
        """\
## 4. Load it

In bfloat16 a weight takes two bytes in place of four. `summary()` shows the tokenizer, the layers and the
number of weights.""",
        """\
## 4. 불러오기

bfloat16에서는 가중치 하나가 4바이트가 아니라 2바이트입니다. `summary()`는 토크나이저와 층, 가중치의 수를
보여 줍니다.""",
    ),
    Code(
        """\
gemma_lm = keras_nlp.models.GemmaCausalLM.from_preset(preset, dtype="bfloat16")
gemma_lm.summary()"""
    ),
    Words(
        """\
## 5. The control tokens

Three tokens mark the parts of a prompt, a fourth separates files. The model writes one of them, or the end
token, when the middle is done; `generate()` is to stop at each.""",
        """\
## 5. 제어 토큰

세 토큰이 프롬프트의 부분을 표시하고, 네 번째는 파일을 나눕니다. 가운데를 다 쓰면 모델은 이 가운데 하나나 끝
토큰을 씁니다. `generate()`는 그 어느 것에서든 멈춰야 합니다.""",
    ),
    Code(
        """\
BEFORE_CURSOR = "<|fim_prefix|>"
AFTER_CURSOR = "<|fim_suffix|>"
AT_CURSOR = "<|fim_middle|>"
FILE_SEPARATOR = "<|file_separator|>"

tokenizer = gemma_lm.preprocessor.tokenizer
stop_tokens = (BEFORE_CURSOR, AFTER_CURSOR, AT_CURSOR, FILE_SEPARATOR, tokenizer.end_token)
stop_ids = {token: tokenizer.token_to_id(token) for token in stop_tokens}
stop_ids"""
    ),
    Words(
        """\
## 6. The prompt

What stands before the cursor, what stands after it, then the token at which the model begins to write.
Nothing stands between a control token and the text, not even a space.""",
        """\
## 6. 프롬프트

커서 앞의 글, 커서 뒤의 글, 그리고 모델이 쓰기 시작할 자리의 토큰입니다. 제어 토큰과 글 사이에는 아무것도,
공백 하나도 넣지 않습니다.""",
    ),
    Code(
        """\
def fim_prompt(before, after):
    return BEFORE_CURSOR + before + AFTER_CURSOR + after + AT_CURSOR


prompt = fim_prompt(before, after)
print(prompt)"""
    ),
    Words(
        """\
## 7. Generate

`max_length` counts the prompt too. What comes back is the prompt, the middle and the token that ended it.""",
        """\
## 7. 생성하기

`max_length`는 프롬프트까지 센 길이입니다. 프롬프트와 가운데, 그리고 가운데를 끝낸 토큰이 돌아옵니다.""",
    ),
    Code(
        """\
stop_token_ids = tuple(stop_ids.values())
output = gemma_lm.generate(prompt, stop_token_ids=stop_token_ids, max_length=128)
print(output)"""
    ),
    Words(
        """\
## 8. Cut the middle out

The middle begins where the prompt ends, and ends before the first stop token. Where `max_length` was
reached first there is none: `str.find` then answers -1, and a slice to -1 loses the last character.
`partition` leaves such a text whole, as the second line shows.""",
        """\
## 8. 가운데 잘라 내기

가운데는 프롬프트가 끝나는 곳에서 시작해 첫 정지 토큰 앞에서 끝납니다. `max_length`에 먼저 닿으면 정지
토큰이 없습니다. 그때 `str.find`는 -1을 돌려주고, -1까지 자르면 마지막 글자를 잃습니다. `partition`은 둘째
줄처럼 그런 글을 그대로 둡니다.""",
    ),
    Code(
        """\
def middle_of(output, prompt):
    middle = output[len(prompt) :]
    for token in stop_tokens:
        middle = middle.partition(token)[0]
    return middle


middle = middle_of(output, prompt)
print(repr(middle))
print(repr(middle_of(prompt + "sys", prompt)))"""
    ),
    Words(
        """\
## 9. Put the program together

Before, middle, after: nothing is added between them.""",
        """\
## 9. 프로그램 맞추기

앞, 가운데, 뒤. 그 사이에 더하는 것은 없습니다.""",
    ),
    Code(
        """\
program = before + middle + after
print(program)"""
    ),
    Words(
        """\
## 10. A multiplication table

The second hole is in the middle of a line. The code after the cursor says what `i` is for.""",
        """\
## 10. 구구단

두 번째 빈칸은 줄 한가운데에 있습니다. 커서 뒤의 코드가 `i`를 어디에 쓰는지 알려 줍니다.""",
    ),
    Code(
        """\
table_prompt = fim_prompt(table_before, table_after)
table_output = gemma_lm.generate(table_prompt, stop_token_ids=stop_token_ids, max_length=128)
table_middle = middle_of(table_output, table_prompt)
print(table_before + table_middle + table_after)"""
    ),
    Words(
        """\
## 11. The same in three lines

`Playground` takes the steps above together: it builds the prompt, stops at the right tokens, cuts on token
ids and splices. A result shows the program with the middle marked, and `str()` of it is the middle.

Its model runs in a process of its own, beside the one above. With CodeGemma let only one of the two hold a
model: restart the kernel, run section 1, and go on here with `Playground("code_gemma_2b_en")`.""",
        """\
## 11. 같은 일을 세 줄로

`Playground`는 위의 단계를 한데 모았습니다. 프롬프트를 만들고, 맞는 토큰에서 멈추고, 토큰 ID에서 자르고,
이어 붙입니다. 결과는 가운데를 표시한 프로그램으로 보이고, `str()`로는 가운데입니다.

이 모델은 위의 모델과 따로, 자기 프로세스에서 돕니다. CodeGemma라면 둘 중 하나만 모델을 갖게 하세요.
커널을 다시 시작해 1절을 실행하고, 여기서부터 `Playground("code_gemma_2b_en")`으로 이어 가면 됩니다.""",
    ),
    Code(
        """\
import sys

sys.path.insert(0, "..")  # the repository

from codegemma_ui import Playground

playground = Playground()
result = playground.complete(before, after)
result"""
    ),
    Words(
        "Its parts are texts: `prompt`, `raw_output`, `middle`, `program`.",
        "`prompt`, `raw_output`, `middle`, `program`은 모두 문자열입니다.",
    ),
    Code(
        """\
print(result.raw_output)
print(result.program)"""
    ),
    Words("What is loaded:", "무엇이 올라와 있는지:"),
    Code("playground.summary()"),
    Words(
        """\
## 12. The tokens

The prompt as the model receives it, a token a line, with its number and its role. `<bos>` is always the
first.""",
        """\
## 12. 토큰

모델이 받는 그대로의 프롬프트입니다. 한 줄에 토큰 하나씩 번호와 역할을 적었습니다. 맨 앞은 늘
`<bos>`입니다.""",
    ),
    Code(
        """\
for token in playground.prompt(before, after).tokens:
    print(f"{token.id:6}  {token.role:8}{token.piece!r}")"""
    ),
    Words(
        """\
What the model wrote: how likely each token was, and what else it might have been. The last one is the
token at which it stopped.""",
        """\
모델이 쓴 토큰입니다. 각 토큰의 확률과, 대신 올 수 있었던 토큰을 보여 줍니다. 마지막은 모델이 멈춘
토큰입니다.""",
    ),
    Code(
        """\
from math import exp

for token in result.tokens:
    others = ", ".join(repr(other.text) for other in token.alternatives[1:4])
    print(f"{exp(token.logprob):7.1%}  {token.piece!r:22} {others}")

print(result.stop_reason, result.stop_token)"""
    ),
    Words(
        """\
## 13. Token by token

`stream` gives events as they come: one `prompt`, any number of `token`, then `done`. Closing it, or an
interrupt, stops the model.""",
        """\
## 13. 토큰 하나씩

`stream`은 이벤트를 오는 대로 줍니다. `prompt` 하나, `token` 여러 개, 그리고 `done`입니다. 닫거나 중단하면
모델도 멈춥니다.""",
    ),
    Code(
        """\
for event in playground.stream(table_before, table_after):
    print(event.event, repr(getattr(event, "text", "")))"""
    ),
    Words(
        "`show` draws the program again and again while the middle is written.",
        "`show`는 가운데가 쓰이는 동안 프로그램을 계속 다시 그립니다.",
    ),
    Code("table = playground.show(table_before, table_after)"),
    Words(
        """\
`complete`, `show` and `stream` take more: `max_length`, `temperature`, `top_k`, `top_p`, `seed`, `layout`
and the other fields that `CompletionRequest` in `codegemma_ui/ipc/messages.py` explains. The model's process
ends with `close`, or with this kernel.""",
        """\
`complete`, `show`, `stream`은 `max_length`, `temperature`, `top_k`, `top_p`, `seed`, `layout` 등을 더
받습니다. 설명은 `codegemma_ui/ipc/messages.py`의 `CompletionRequest`에 있습니다. 모델의 프로세스는 `close`나
이 커널과 함께 끝납니다.""",
    ),
    Code("playground.close()"),
)


def notebook(language: str) -> str:
    """The file of a language, in version 4.5 of the format (https://nbformat.readthedocs.io)."""
    cells: list[dict[str, Any]] = []
    for number, cell in enumerate(CELLS, start=1):
        text = cell.text if isinstance(cell, Code) else getattr(cell, language)
        shared = {"id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
        if isinstance(cell, Code):
            cells.append({"cell_type": "code", "execution_count": None, "outputs": [], **shared})
        else:
            cells.append({"cell_type": "markdown", **shared})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for language, file in LANGUAGES.items():
        (HERE / file).write_text(notebook(language), encoding="utf-8")
