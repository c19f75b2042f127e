"""CPU time of the page's own process per completion: `python -m tools.reliability.page_work`.

A real playground with the bundled model streams completions to one program, one after the other, and the CPU
time of the page's process is reported. It hardly depends on other load.
"""

from __future__ import annotations

import os
from pathlib import Path

from gradio_client import Client

from tools.reliability.served import REAL, serving

WARM_UP, COMPLETIONS = 5, 40


def processor_s(pid: int) -> float:
    """Return the CPU time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with serving(REAL) as served:
        served.wait_until_ready()
        served.wait_until_warm()
        client = Client(served.url, verbose=False)
        before = 0.0
        for number in range(WARM_UP + COMPLETIONS):
            if number == WARM_UP:
                before = processor_s(served.pid)
            sides = {"prefix": f"def f{number}(values):\n    ", "suffix": "\n\nprint(f(3))\n"}
            assert list(client.submit(**sides, max_length=96, api_name="/complete"))
        each = (processor_s(served.pid) - before) / COMPLETIONS
        print(f"{each:.3f} s of the page's processor time a completion, over {COMPLETIONS}")


if __name__ == "__main__":
    main()
