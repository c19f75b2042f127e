"""Build and start this repository as a Space would, and report the checks: `make space-check`.

A new environment is created from requirements.txt and the front matter, the tracked files are copied to the
folder of a Space's application, and `app.py` runs there as user 1000 in separate namespaces: with loopback
only, and port 7860 free whatever else this machine serves. Without root there are no namespaces; checks that
need them are reported as not done.

    python -m tools.space.check [--keep FOLDER] [--uncontained]

Exit codes: 0 all holds, 1 something does not, 2 it could not be tried.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.rehearsals import NAMESPACES, NOT_TRIED, NotTried, Row, call, report, told_by
from tools.space import hugging_face

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tools.space.check")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="build there, and keep it")
    parser.add_argument("--uncontained", action="store_true", help="as it is done without root")
    given = parser.parse_args()
    contained = not given.uncontained and os.geteuid() == 0
    folder = (given.keep or Path(tempfile.mkdtemp(prefix="space-"))).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        rows = [*_build(folder), *_run(folder, contained)]
    except NotTried as error:
        print(f"The Space could not be rehearsed: {error}", file=sys.stderr)
        return NOT_TRIED
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return report(rows)


def _build(folder: Path) -> list[Row]:
    """Create the environment in `env` and copy the tracked files to `home/app`."""
    facts = hugging_face.front_matter(ROOT / "README.md")
    wanted = facts["python_version"]
    python = shutil.which(f"python{wanted}")
    if python is None:
        raise NotTried(f"python{wanted} must be on the PATH, as the front matter asks for it.")
    began = time.monotonic()
    env = folder / "env"
    packages = ["-r", str(ROOT / "requirements.txt")]
    packages += hugging_face.requirements(facts["sdk_version"])
    built, asked = env / "built", (ROOT / "requirements.txt").read_text() + " ".join(packages)
    pip = [str(env / "bin" / "python"), "-m", "pip"]
    fresh = not built.exists() or built.read_text() != asked
    if fresh:
        shutil.rmtree(env, ignore_errors=True)
        print("installing what a Space would ...", flush=True)
        call([python, "-m", "venv", str(env)], "The environment")
        call([*pip, "install", "-q", *packages], "pip install")
        built.write_text(asked)
    took = f"{time.monotonic() - began:.0f} s" if fresh else "kept from before"
    clashes = subprocess.run([*pip, "check"], capture_output=True, text=True)
    shown = [str(env / "bin" / "python"), "-c", "import gradio; print(gradio.__version__)"]
    version = call(shown, "gradio").strip()
    app = folder / "home" / "app"
    shutil.rmtree(folder / "home", ignore_errors=True)
    for name in call(["git", "-C", str(ROOT), "ls-files", "-z"], "git").split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, app / name)
    return [
        Row("build", "installs", f"Python {wanted}, {took}", True),
        Row("pip check", "no clash", _short(clashes.stdout), clashes.returncode == 0),
        Row("sdk_version", facts["sdk_version"], version, version == facts["sdk_version"]),
    ]


def _run(folder: Path, contained: bool) -> list[Row]:
    command = [sys.executable, "-m", "tools.space.inside", str(folder)]
    if contained:
        command = [*NAMESPACES, *command, "--contained"]
    return told_by(command, ROOT)


def _short(text: str) -> str:
    line, *more = text.strip().splitlines() or ["-"]
    return line[:60] + (f" (+{len(more)})" if more else "")


if __name__ == "__main__":
    sys.exit(main())
