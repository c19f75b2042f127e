"""Download one preset in a separate process.

With `python -m codegemma_ui.download HANDLE` the old model keeps serving, and killing the process cancels
cleanly. It writes one JSON object per line:

    {"event": "progress", "received_bytes": 1048576, "total_bytes": 5012345678}
    {"event": "downloaded", "path": "/…"}
    {"event": "error", "code": "terms_not_accepted", "message": "…", "hint": "…"}

any number of `progress`, then exactly one of the other two.
"""

import argparse
import contextlib
import json
import os
import stat
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from codegemma_ui.download import DownloadError, download


def _exit_with_parent() -> None:
    """Exit when stdin closes, if it is a pipe: an orphan must not keep filling the disk."""

    def wait() -> NoReturn:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(1)

    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=wait, daemon=True).start()


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run `python -m codegemma_ui.download HANDLE`; exit with 0, or 1 after an error."""
    parser = argparse.ArgumentParser(prog="python -m codegemma_ui.download", description=__doc__)
    parser.add_argument("handle", metavar="HANDLE")
    parser.add_argument("--only", metavar="PATH", help="one file, by its path inside the preset")
    given = parser.parse_args(arguments)

    # The libraries print: reserve fd 1 for events, and send all other output to stderr.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    if os.environ.get("KAGGLE_API_ENVIRONMENT") == "TEST":
        # kagglesdk then prints every request, including the key's header (`build_kaggle_client`).
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    _exit_with_parent()

    def write(event: str, **values: Any) -> None:
        try:
            print(json.dumps({"event": event, **values}), file=events, flush=True)
        except OSError:  # no reader left: EPIPE, on Windows EINVAL
            os._exit(1)

    def report(received: int, total: int | None) -> None:
        write("progress", received_bytes=received, total_bytes=total)

    status = 1
    try:
        path = download(given.handle, report, only=given.only)
        write("downloaded", path=str(path))
        status = 0
    except DownloadError as error:
        if error.code == "unexpected" and error.__cause__ is not None:
            # Without the message, which may quote a key.
            traceback.print_tb(error.__cause__.__traceback__)
        write("error", **error.to_dict())
    except KeyboardInterrupt:
        status = 130
    sys.stderr.flush()
    os._exit(status)  # worker threads of a library would delay a normal exit


if __name__ == "__main__":
    main()
