"""Run a module on some of the cores: `python -m benchmarks.speed.pinned THREADS MODULE FLAGS…`.

Frameworks count usable cores when they are imported, so this runs before any import.
"""

from __future__ import annotations

import contextlib
import runpy
import sys


def main() -> None:
    """Set the affinity to the first cores, if the system supports it, then run the module."""
    threads, module = int(sys.argv[1]), sys.argv[2]
    # A subject's own environment may lack psutil, and macOS has no such thing.
    with contextlib.suppress(ImportError, AttributeError):
        import psutil

        process = psutil.Process()
        process.cpu_affinity(sorted(process.cpu_affinity())[:threads])
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
