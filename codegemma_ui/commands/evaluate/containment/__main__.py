"""`python -I -S containment PLAN`: see the package."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

assert sys.platform == "linux"  # `execution` starts it nowhere else

sys.path[0:1] = []  # this folder
sys.path.append(str(Path(__file__).parents[4]))

from codegemma_ui.commands.evaluate.containment import namespaces, supervisor  # noqa: E402
from codegemma_ui.commands.evaluate.containment.group import Group  # noqa: E402
from codegemma_ui.commands.evaluate.containment.plan import Plan  # noqa: E402


def main() -> None:
    """Run the program on stdin according to the plan."""
    plan = Plan.from_json(sys.argv[1])
    source = sys.stdin.buffer.read()
    group = None
    if plan.memory_group is not None:
        with contextlib.suppress(OSError):
            group = Group(plan.memory_group)

    def first() -> None:
        try:
            supervisor.supervise(plan, source, group)
        except OSError as error:
            print(f"refused {error.strerror or error}", flush=True)

    try:
        namespaces.run(first)
    except OSError as error:
        print(f"refused {error.strerror or error}", flush=True)


if __name__ == "__main__":
    main()
