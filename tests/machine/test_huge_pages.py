"""A worker's large blocks may be in huge pages, and what an operator chose stands."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from codegemma_ui.ipc import parent
from codegemma_ui.machine import huge_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}),
        (
            {"GLIBC_TUNABLES": "glibc.malloc.check=3"},
            {"GLIBC_TUNABLES": "glibc.malloc.check=3:glibc.malloc.hugetlb=1"},
        ),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, {}),
    ],
)
def test_what_is_set_stands(given: dict[str, str], expected: dict[str, str]) -> None:
    assert huge_pages.variables(given) == expected


def test_a_block_of_a_process_is_marked_for_huge_pages() -> None:
    """`hg` among a mapping's flags is the advice; whether the kernel follows it is another matter."""
    marked = "import re; block = bytearray(2**27); print(open('/proc/self/smaps').read())"
    environment = parent.environment()
    flags = []
    for given in (environment, environment | huge_pages.variables(environment)):
        told = subprocess.run(
            [sys.executable, "-c", marked], env=given, capture_output=True, text=True, check=True
        ).stdout
        if "VmFlags" not in told:
            pytest.skip("this kernel does not tell a mapping's flags")
        flags.append(len(re.findall(r"VmFlags:.*\bhg\b", told)))
    assert flags[0] == 0 < flags[1]
