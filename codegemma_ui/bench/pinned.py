"""Run a module on some of the cores only: `python -m codegemma_ui.bench.pinned THREADS MODULE FLAGS…`

Frameworks count the cores they may use when they are imported, so this comes before any of them.
"""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    """Keep to the first cores, where the system has such a thing, then become the module."""
    threads, module = int(sys.argv[1]), sys.argv[2]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
