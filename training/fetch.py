"""Download wheels by name with pip, and keep those whose metadata names a permissive licence.

Wheels only, because pip runs code to build anything else; without dependencies, because the list is complete.
The result is written to a table (`packages.tsv`): name, version, licence, and whether it was used.

    python -m training.fetch --folder build/training
"""

from __future__ import annotations

import argparse
import email.parser
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NAMES = HERE / "packages.txt"
TABLE = HERE / "packages.tsv"

BATCH = 12
"""Names per pip process: pip takes a second to start."""

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|PSFL|Python Software Foundation|Unlicense|CC0|0BSD|Zlib|zlib/libpng|HPND"
    r"|Zope Public|ZPL|Expat|Public Domain|Historical Permission)\b",
    re.IGNORECASE,
)
"""Licences that permit everyone to train on the text and to share the result, with attribution."""

COPYLEFT = re.compile(
    r"GPL|General Public|LGPL|Mozilla|MPL|EUPL|CeCILL|SSPL|Business Source|Commons Clause|Proprietary"
    r"|Elastic License|CC[- ]BY|Other/Proprietary",
    re.IGNORECASE,
)
"""Any of these anywhere in a package's licence fields excludes it, including dual licences."""


@dataclass(frozen=True)
class Wheel:
    """One downloaded package: name, version, licence according to its metadata, and file."""

    name: str
    version: str
    licence: str
    path: Path

    @property
    def permissive(self) -> bool:
        """Return whether the metadata names a permissive licence and no other kind."""
        return bool(PERMISSIVE.search(self.licence)) and not COPYLEFT.search(self.licence)


def wanted(path: Path = NAMES) -> list[str]:
    """Return the names in a list of packages, in order, each once; `#` starts a comment."""
    lines = (line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines())
    return list(dict.fromkeys(name for line in lines for name in line.split()))


def download(names: list[str], folder: Path) -> None:
    """Download wheels with pip; a name without one is reported on stderr and skipped."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
    command += ["--disable-pip-version-check", "-d", str(folder)]
    while names:
        done = subprocess.run([*command, *names], capture_output=True, encoding="utf-8")
        if done.returncode == 0:
            return
        missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
        refused = missing[1].split("==")[0] if missing else names[0]
        print(f"no wheel: {refused}", file=sys.stderr, flush=True)
        rest = [name for name in names if name.split("==")[0].lower() != refused.lower()]
        names = rest if len(rest) < len(names) else names[1:]


def licence(metadata: str) -> str:
    """Return the licence fields of a wheel's METADATA in one line, without a licence's full text."""
    fields = email.parser.Parser().parsestr(metadata, headersonly=True)
    classifiers = [
        text.split("::")[-1].strip()
        for text in fields.get_all("Classifier", [])
        if text.startswith("License ::") and "::" in text.removeprefix("License ::")
    ]
    stated = (fields.get("License-Expression") or fields.get("License") or "").strip()
    words = [stated.splitlines()[0][:80] if stated else "", *classifiers]
    return "; ".join(dict.fromkeys(word for word in words if word and word != "UNKNOWN"))


def wheels(folder: Path) -> Iterator[Wheel]:
    """Read name, version and licence of every wheel in a folder, sorted by name."""
    for path in sorted(folder.glob("*.whl"), key=lambda path: path.name.lower()):
        try:
            with zipfile.ZipFile(path) as archive:
                (entry,) = [
                    name
                    for name in archive.namelist()
                    if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)
                ]
                metadata = archive.read(entry).decode(errors="replace")
        except (zipfile.BadZipFile, ValueError):
            print(f"not a wheel: {path.name}", file=sys.stderr)
            continue
        name, version = path.name.split("-")[:2]
        yield Wheel(normalised(name), version, licence(metadata), path)


def pinned(names: list[str], path: Path = TABLE) -> list[str]:
    """Return names as `name==version` where the table has one: a later download gets the same text."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    versions = {normalised(name): version for name, version, *_ in rows}
    return [
        f"{name}=={versions[known]}" if (known := normalised(name)) in versions else name
        for name in names
    ]


def normalised(name: str) -> str:
    """Return a project's name as PyPI compares it: lower case, one hyphen for each run of `-_.`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Download every name, in the table's version or with --newest in the newest, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    parser.add_argument("--newest", action="store_true", help="ignore the pinned versions")
    options = parser.parse_args()
    folder = options.folder / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    names = wanted() if options.newest else pinned(wanted())
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    with ThreadPoolExecutor(4) as pool:
        for number, _ in enumerate(pool.map(lambda batch: download(batch, folder), batches), 1):
            print(f"{number} of {len(batches)} batches", file=sys.stderr, flush=True)
    rows = ["name\tversion\tlicence\tused"]
    for wheel in wheels(folder):
        rows.append(
            f"{wheel.name}\t{wheel.version}\t{wheel.licence}\t{'yes' if wheel.permissive else 'no'}"
        )
    TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(rows) - 1} wheels, {sum(row.endswith('yes') for row in rows)} permissive")


if __name__ == "__main__":
    main()
