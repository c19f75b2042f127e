"""Completions that are exported as code and run by every tool. Imports no framework."""

from __future__ import annotations

from typing import Any

from codegemma_ui.ui.examples import by_key

QUICKSTART = by_key("quickstart")
LOOP = "for number in range(10):\n    if number % 2 == 0:\n        "
AFTER_LOOP = "\n    else:\n        print('odd')\n"
MEAN = "def mean(values):\n    total = 0\n    for value in values:\n        "
AFTER_MEAN = "\n    return total / len(values)\n"

CASES: dict[str, dict[str, Any]] = {
    "quickstart": {"prefix": QUICKSTART.prefix, "suffix": QUICKSTART.suffix},
    "lines": {"prefix": MEAN, "suffix": AFTER_MEAN},
    "spm": {"prefix": MEAN, "suffix": AFTER_MEAN, "layout": "spm"},
    "left to right": {"prefix": MEAN, "suffix": AFTER_MEAN, "layout": "ltr", "max_length": 64},
    "no suffix": {"prefix": "def add(a, b):\n    return ", "max_length": 64},
    "no prefix": {"suffix": "\n\nprint(add(1, 2))\n", "max_length": 64},
    "trimmed": {
        "prefix": "# one line of many\n" * 40 + MEAN,
        "suffix": AFTER_MEAN + "\n# and many more\n" * 40,
        "max_length": 96,
    },
    "project": {
        "prefix": LOOP,
        "suffix": AFTER_LOOP,
        "path": "src/even.py",
        "files": [{"path": "src/odd.py", "text": "def odd(number):\n    return number % 2 == 1\n"}],
    },
    "joined files": {
        "prefix": LOOP,
        "suffix": AFTER_LOOP,
        "files": [{"path": "a.py", "text": "\n\nA = 1\n"}, {"path": "", "text": "B = 2\n"}],
    },
    "joined path": {"prefix": "\n\n" + LOOP, "path": "a.py", "layout": "ltr", "max_length": 56},
    "spelled": {
        "prefix": "MIDDLE = '<|fim_middle|>'\nEND = '<eos>'\n" + MEAN,
        "suffix": AFTER_MEAN,
    },
    "special names": {"prefix": "START = '<bos>'\n" + MEAN, "suffix": AFTER_MEAN},
    "blocks": {"prefix": "BAR = '▁▂▃ ▁▁'\n" + MEAN, "suffix": AFTER_MEAN},
    "signs": {
        "prefix": "a = \"'\\n\\\\\"  # $HOME `id` $(id) 한글 😀\n\tb = '''\"'''\r\n" + MEAN,
        "suffix": AFTER_MEAN + "\nc = '%s{}'  # ﷺ \u202e \x1b\x7f",
    },
    "nul": {"prefix": "a = '\0'\n" + MEAN, "suffix": AFTER_MEAN},
    "begun": {"prefix": MEAN, "suffix": AFTER_MEAN, "forced": "total = "},
    "one line": {"prefix": MEAN, "suffix": AFTER_MEAN, "one_line": True},
    "begun, one line": {
        "prefix": MEAN,
        "suffix": AFTER_MEAN,
        "forced": "total = ",
        "one_line": True,
    },
    "a stop string": {"prefix": MEAN, "suffix": AFTER_MEAN, "stop": [" val", "'\n"]},
    "begun and spelled": {
        "prefix": MEAN,
        "suffix": AFTER_MEAN,
        "forced": "'<|fim_suffix|>' + ",
    },
    "begun, left to right": {
        "prefix": MEAN,
        "suffix": AFTER_MEAN,
        "layout": "ltr",
        "forced": "total = ",
        "max_length": 64,
    },
}
"""Name -> fields of a request, but for `max_length` where it is `MAX_LENGTH`."""

MAX_LENGTH = 128

BRANCHED, OF = "branched", "lines"
"""A case whose middle begins with the second likeliest first token of another case's."""

NAMES = (*CASES, BRANCHED)

AS_IDS = {
    "keras_hub": {
        *("joined files", "joined path", "spelled", "begun and spelled"),
        *("begun, left to right", "blocks", BRANCHED),
    },
}
AS_IDS["transformers"] = AS_IDS["keras_hub"] | {"special names"}
AS_IDS["llama_cpp"] = AS_IDS["transformers"]
"""Tool -> the cases whose prompt it is given as token ids."""


def request(name: str) -> dict[str, Any]:
    return {"max_length": MAX_LENGTH, **CASES[name]}
